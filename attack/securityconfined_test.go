//go:build attack && linux

package attack_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/promfold/promfold/internal/rig"
)

// confine is a command that may write to dir alone, as a user without any rights:
// what a container with a read-only root file system and no capabilities is. Every
// mount is made read-only by itself: what holds for the root does not for those in it.
func confine(dir string, u rig.User, command []string) []string {
	script := `set -e
mount --bind "$1" "$1"
for place in $(cut -d ' ' -f 2 /proc/self/mounts); do
  place=$(printf %b "$place")
  case $place in
    "$1"|/proc|/proc/*) ;;
    *) mount -o remount,bind,ro "$place" ;;
  esac
done
shift
exec setpriv --clear-groups --reuid "$1" --regid "$2" --bounding-set=-all --inh-caps=-all --no-new-privs -- env -u HOME -u TMPDIR "${@:3}"`
	return append([]string{
		"unshare", "--mount", "bash", "-c", script, "bash", dir, fmt.Sprint(u.UID), fmt.Sprint(u.GID),
	}, command...)
}

// Property: as a user without capabilities, with everything but the directory (and
// /proc) mounted read-only, without a home and a place for temporary files, promfold
// serves and archives, survives its own death, and loses and doubles nothing.
func TestConfined(t *testing.T) {
	rig.NeedRoot(t)
	dir := rig.NewDirectory(t, theApp, 0o755)
	sidecar := rig.StartAs(t, rig.Command{Args: confine(dir, theApp, []string{
		promfold(), "serve", "--multiproc.dir=" + dir, "--web.listen-address=127.0.0.1:0", "--archive.interval=100ms",
	})})
	checkConfined(t, sidecar.Process().PID, dir)
	var workers []*seated
	asApp := func(command []string) []string { return append(as(theApp, false), command...) }
	var last rig.Monotone
	total := 0.0
	for round := range 3 {
		for _, client := range seatedClients {
			w := seat(t, client.name, dir, asApp)
			w.ask(t, "count")
			workers = append(workers, w)
		}
		if round == 1 {
			sidecar.Restart(t)
			checkConfined(t, sidecar.Process().PID, dir)
		}
		for _, w := range workers[len(workers)-len(seatedClients):] {
			total += w.rest(t)
			w.Kill()
		}
		rig.Await(t, patience, func() error {
			got := sidecar.Scraped(t)
			if faults := last.Check(got.App()); len(faults) > 0 {
				t.Error(faults)
			}
			if now := got.Sum("n_total") + got.Sum("c_total") + got.Sum("r_total"); now != total {
				t.Errorf("counted %v, not %v", now, total)
			}
			if files := inodes(t, dir); len(files) > 0 {
				return fmt.Errorf("not archived: %v", files)
			}
			return nil
		})
	}
	logUnlessFailed(t, "%d workers killed, sidecar killed once: %v counted, lost 0, doubled 0", len(workers), total)
}

// checkConfined sees to it that the process has no more rights than it should.
func checkConfined(t *testing.T, pid int, dir string) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	for _, want := range []string{
		fmt.Sprintf(`Uid:\t%d\t%d\t`, theApp.UID, theApp.UID), `CapPrm:\t0+\n`, `CapEff:\t0+\n`, `CapBnd:\t0+\n`, `NoNewPrivs:\t1\n`,
	} {
		if !regexp.MustCompile(want).Match(status) {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
	if got := writable(t, pid); !slices.Equal(got, []string{dir}) {
		t.Errorf("%q are mounted for writing", got)
	}
	for _, place := range []string{"/", "/tmp", "/dev/shm"} { // not even root could
		probe := rig.Start(t, "touch", rig.Command{Args: []string{"nsenter", "--target", fmt.Sprint(pid), "--mount", "touch", place + "/probe"}})
		if err := probe.Ended(t, patience); err == nil || !strings.Contains(probe.Out.String(), "Read-only") {
			t.Errorf("%s is writable: %v, %s", place, err, probe.Out.String())
		}
	}
}

// writable is the places that are mounted for writing in the sight of a process,
// /proc aside.
func writable(t *testing.T, pid int) []string {
	t.Helper()
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mounts", pid))
	must(t, err)
	places := make(map[string]bool)
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		place, options := fields[1], strings.Split(fields[3], ",")
		if place == "/proc" || strings.HasPrefix(place, "/proc/") {
			continue
		}
		if delete(places, place); slices.Contains(options, "rw") { // what was there before is covered
			places[place] = true
		}
	}
	return slices.Sorted(maps.Keys(places))
}

// Property: whatever the umask, the files of workers are for owner and group, or as
// WithFileMode says; archive, spare and their directory follow the mode of the
// application's, in its group, and are never for everybody to write.
func TestModes(t *testing.T) {
	rig.NeedRoot(t)
	for mode, want := range map[os.FileMode]string{
		0o700:                 ".promfold drwx------; archive.pfa -rw-r-----; spare.pfa -rw-r-----",
		0o755:                 ".promfold drwxr-xr-x; archive.pfa -rw-r--r--; spare.pfa -rw-r--r--",
		0o770 | os.ModeSetgid: ".promfold dgrwxrwx---; archive.pfa -rw-rw----; spare.pfa -rw-rw----",
		0o777:                 ".promfold drwxrwxr-x; archive.pfa -rw-rw-r--; spare.pfa -rw-rw-r--",
		0o777 | os.ModeSticky: ".promfold dtrwxrwxr-x; archive.pfa -rw-rw-r--; spare.pfa -rw-rw-r--",
	} {
		for _, umask := range []string{"000", "077", "777"} {
			dir := rig.NewDirectory(t, rig.User{UID: theApp.UID, GID: theApp.GID}, mode)
			under := func(command []string) []string {
				return append([]string{"sh", "-c", "umask " + umask + `; exec "$@"`, "sh"}, command...)
			}
			w := seat(t, "native", dir, under)
			for name := range inodes(t, dir) {
				if got := modeOf(t, filepath.Join(dir, name)); got != "-rw-r-----" {
					t.Errorf("umask %s: %s is %s", umask, name, got)
				}
			}
			w.Kill()
			p := rig.Start(t, "promfold archive", rig.Command{Args: under([]string{promfold(), "archive", "--once", "--multiproc.dir=" + dir})})
			if err := p.Ended(t, patience); err != nil {
				t.Fatalf("%v:\n%s", err, p.Out.String())
			}
			hidden := filepath.Join(dir, ".promfold")
			got := ".promfold " + modeOf(t, hidden)
			for _, name := range []string{"archive.pfa", "spare.pfa"} {
				got += "; " + name + " " + modeOf(t, filepath.Join(hidden, name))
			}
			if got != want {
				t.Errorf("directory %v, umask %s: %s, not %s", mode, umask, got, want)
			}
			if info, err := os.Stat(filepath.Join(hidden, "archive.pfa")); mode&os.ModeSetgid != 0 && (err != nil || groupOf(info) != theApp.GID) {
				t.Errorf("the archive is of group %d, %v", groupOf(info), err)
			}
		}
	}
}

func modeOf(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	return info.Mode().String()
}

func groupOf(info os.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Gid }
