//go:build attack && linux

package attack_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/rig"
)

// relation is how the user of the sidecar, that of the workers and the owner of
// the directory are to each other.
type relation struct {
	name            string
	sidecar, worker rig.User
	owner           rig.User // of the directory
	mode            os.FileMode
	noLease         bool // the sidecar has every capability of root but CAP_LEASE
	private         bool // the workers' umask is 007, and not 022
	overlay         bool
	flags           []string
	alike           bool // only where both are in the host's namespace does it make sense
}

var (
	theApp   = rig.User{UID: 31201, GID: 31300}
	teamMate = rig.User{UID: 31202, GID: 31300}
	stranger = rig.User{UID: 31203, GID: 31203}
)

var relations = []relation{
	{name: "root, both", mode: 0o755},
	{name: "one user, not root", sidecar: theApp, worker: theApp, owner: theApp, mode: 0o755},
	{name: "sidecar root, workers not", worker: theApp, owner: theApp, mode: 0o755},
	{name: "sidecar root without CAP_LEASE, workers not root", worker: theApp, owner: theApp, mode: 0o755, noLease: true},
	{name: "other user of the directory's group, 2770", sidecar: teamMate, worker: theApp, owner: theApp, mode: 0o770 | fs.ModeSetgid, private: true},
	{name: "other user, may only read the directory", sidecar: stranger, worker: theApp, owner: theApp, mode: 0o755},
	{name: "other user, no rights", sidecar: stranger, worker: theApp, owner: theApp, mode: 0o700},
	{name: "other user of the group, sticky directory of root", sidecar: teamMate, worker: theApp, mode: 0o777 | fs.ModeSticky},
	{name: "one user, sticky directory of root", sidecar: theApp, worker: theApp, mode: 0o777 | fs.ModeSticky},
	{name: "root, both, overlayfs", mode: 0o755, overlay: true},
	{name: "one user, `--liveness.same-pid-namespace`", sidecar: theApp, worker: theApp, owner: theApp, mode: 0o755, flags: sameNamespace, alike: true},
	{
		name:    "other user of the directory's group, 2770, `--liveness.same-pid-namespace`",
		sidecar: teamMate, worker: theApp, owner: theApp, mode: 0o770 | fs.ModeSetgid, private: true, flags: sameNamespace, alike: true,
	},
	{
		name:   "sidecar root without CAP_LEASE, workers not root, `--liveness.same-pid-namespace`",
		worker: theApp, owner: theApp, mode: 0o755, noLease: true, flags: sameNamespace, alike: true,
	},
}

var sameNamespace = []string{"--liveness.same-pid-namespace"}

// seating is in which pid namespaces they are.
type seating struct {
	name       string
	sidecarOwn bool
	workerOwn  bool
	high       bool // the workers' pids are such as the host does not have
}

var seatings = []seating{
	{name: "one for both"},
	{name: "sidecar apart", sidecarOwn: true},
	{name: "workers apart", workerOwn: true, high: true},
	{name: "both apart, both pid 1", sidecarOwn: true, workerOwn: true},
	{name: "host beside pid 1", workerOwn: true},
}

// as is the prefix that makes a command another user's.
func as(u rig.User, noLease bool) []string {
	var with []string
	if u.UID != 0 {
		with = append(with, "--clear-groups", "--reuid", strconv.Itoa(int(u.UID)), "--regid", strconv.Itoa(int(u.GID)))
	}
	if noLease {
		with = append(with, "--bounding-set=-lease", "--inh-caps=-lease")
	}
	if with == nil {
		return nil
	}
	return append(append([]string{"setpriv"}, with...), "--")
}

// inOwnNamespace is the prefix that gives a command a pid namespace, and pid 1 in it.
var inOwnNamespace = []string{"unshare", "--pid", "--fork", "--mount-proc"}

// highPID counts down from the highest pid: the host comes to those last.
var highPID atomic.Int64

// wrapWorker is what puts a worker into its seat.
func (s seating) wrapWorker(r relation) func([]string) []string {
	return func(command []string) []string {
		command = append(as(r.worker, false), command...)
		if r.private {
			command = append([]string{"sh", "-c", `umask 007; exec "$@"`, "sh"}, command...)
		}
		switch {
		case s.high:
			// A command that is not the last of a shell is forked.
			script := fmt.Sprintf(`echo %d >/proc/sys/kernel/ns_last_pid; "$@"; true`, highPID.Add(-2))
			command = slices.Concat(inOwnNamespace, []string{"sh", "-c", script, "sh"}, command)
		case s.workerOwn:
			command = append(slices.Clone(inOwnNamespace), command...)
		}
		return command
	}
}

// Property: in whichever pid namespaces and as whichever users they run, nothing is
// archived while its process lives: the file keeps name and inode while it counts;
// totals are exact before and after the death of the workers, no cumulative series
// goes down and no scrape is invalid. What becomes of the dead is as docs/liveness.md
// says, which -update writes.
func TestNamespacesAndUsers(t *testing.T) {
	rig.NeedRoot(t)
	limit, err := os.ReadFile("/proc/sys/kernel/pid_max")
	if err != nil {
		t.Fatal(err)
	}
	most, err := strconv.ParseInt(strings.TrimSpace(string(limit)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	highPID.Store(most - 10)
	table := readLivenessTable(t)
	var mu sync.Mutex // guards rows
	rows := make(map[seatRow][]seatOutcome)
	turns := make(chan struct{}, 6)
	t.Run("cases", func(t *testing.T) {
		for _, r := range relations {
			for _, s := range seatings {
				if r.alike && s != seatings[0] {
					continue
				}
				t.Run(r.name+"/"+s.name, func(t *testing.T) {
					t.Parallel()
					turns <- struct{}{}
					defer func() { <-turns }()
					row := seatRow{r.name, s.name}
					c := seatCase{relation: r, seating: s, expected: table.find(row)}
					got := c.run(t)
					mu.Lock()
					defer mu.Unlock()
					rows[row] = got
				})
			}
		}
	})
	if t.Failed() {
		return
	}
	table.check(t, rows)
}

// seatCase is one sidecar on a directory for each client, and its worker.
type seatCase struct {
	relation
	seating
	expected []seatOutcome // by client, nil if unknown

	base    string
	workers []*seated
	sidecar *rig.Sidecar
	last    rig.Monotone
	rounds  []map[float64]bool // of the archiver of each directory
}

// seatOutcome is what became of the worker of one client.
type seatOutcome struct {
	counted bool
	alive   string // state and method while it lives
	dead    string // the same after its death, or how it was archived
	said    string // what promfold warns of
}

func (c *seatCase) run(t *testing.T) []seatOutcome {
	c.start(t)
	if c.sidecar == nil {
		return c.refused(t)
	}
	outcomes := make([]seatOutcome, len(c.workers))
	names := make([]map[string]uint64, len(c.workers))
	for i, w := range c.workers {
		names[i] = inodes(t, w.dir)
		w.ask(t, "count")
	}
	c.awaitRounds(t, 4, nil)
	for i, w := range c.workers {
		if now := inodes(t, w.dir); !sameNames(names[i], now) {
			t.Errorf("a living %s worker had %v, has %v", w.Name, names[i], now)
		}
	}
	totals := make([]float64, len(c.workers))
	for i, w := range c.workers {
		totals[i] = w.rest(t)
	}
	got := c.scrape(t)
	for i, client := range seatedClients {
		outcomes[i].counted = c.exact(t, got, i, totals[i], false)
		outcomes[i].alive = c.states(got, i)
		if client.name == "native" && outcomes[i].counted && len(got.By("seat", "pid")) == 0 {
			t.Error("no gauge of the living")
		}
	}
	for _, w := range c.workers {
		w.Kill()
	}
	c.awaitDeaths(t, outcomes)
	c.sidecar.Restart(t) // which probes all files anew, and counts what it finds as before
	got = c.scrape(t)
	for i := range seatedClients {
		if c.exact(t, got, i, totals[i], outcomes[i].counted); outcomes[i].dead == "" {
			outcomes[i].dead = c.states(got, i)
		}
	}
	said := warnings(c.sidecar.Stop(t))
	for i := range outcomes {
		outcomes[i].said = said[filepath.Base(c.workers[i].dir)]
	}
	return outcomes
}

const seatInterval = 100 * time.Millisecond

// start starts workers and sidecar. No sidecar: it has refused to start.
func (c *seatCase) start(t *testing.T) {
	c.base = rig.NewDirectory(t, rig.User{}, 0o755)
	if c.overlay {
		c.base = overlay(t)
	}
	command := []string{promfold(), "serve", "--web.listen-address=127.0.0.1:0", "--archive.interval=" + seatInterval.String(), "--multiproc.dir-label=dir"}
	for _, client := range seatedClients {
		dir := filepath.Join(c.base, client.name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, int(c.owner.UID), int(c.owner.GID)); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, c.mode); err != nil {
			t.Fatal(err)
		}
		c.workers = append(c.workers, seat(t, client.name, dir, c.wrapWorker(c.relation)))
		command = append(command, "--multiproc.dir="+dir)
		c.rounds = append(c.rounds, make(map[float64]bool))
	}
	command = slices.Concat(as(c.relation.sidecar, c.noLease), command, c.flags)
	if c.sidecarOwn {
		command = append(slices.Clone(inOwnNamespace), command...)
	}
	if c.mode == 0o700 && c.relation.sidecar.UID == stranger.UID {
		p := rig.Start(t, "promfold", rig.Command{Args: command})
		if err := p.Ended(t, patience); err == nil || !strings.Contains(p.Out.String(), c.base) {
			t.Errorf("ended with %v, and said %s", err, p.Out.String())
		}
		return
	}
	c.sidecar = rig.StartAs(t, rig.Command{Args: command})
}

// refused is the outcome of a sidecar that does not start.
func (c *seatCase) refused(t *testing.T) []seatOutcome {
	outcomes := make([]seatOutcome, len(c.workers))
	for i, w := range c.workers {
		if len(inodes(t, w.dir)) == 0 {
			t.Errorf("the file of %s has gone", w.Name)
		}
		outcomes[i] = seatOutcome{dead: "left alone", said: "exits with 1: cannot read the directory"}
	}
	return outcomes
}

func (c *seatCase) scrape(t *testing.T) rig.Samples {
	t.Helper()
	got := c.sidecar.Scraped(t)
	if faults := c.last.Check(got.App()); len(faults) > 0 {
		t.Error(faults)
	}
	for i, w := range c.workers {
		if at := got.Sum("promfold_archive_last_round_timestamp_seconds", "dir", w.dir); at > 0 {
			c.rounds[i][at] = true
		}
	}
	return got
}

// awaitRounds waits until the archivers have looked n times more, or enough says
// that it is.
func (c *seatCase) awaitRounds(t *testing.T, n int, enough func(rig.Samples) bool) {
	t.Helper()
	for i := range c.rounds {
		clear(c.rounds[i])
	}
	rig.Await(t, patience, func() error {
		got := c.scrape(t)
		if enough != nil && enough(got) {
			return nil
		}
		for i, w := range c.workers {
			if len(c.rounds[i]) < n {
				return fmt.Errorf("%d rounds in %s", len(c.rounds[i]), w.dir)
			}
		}
		return nil
	})
}

// exact reports whether the worker's count is exposed, and complains if another is.
func (c *seatCase) exact(t *testing.T, got rig.Samples, i int, want float64, must bool) bool {
	t.Helper()
	w, name := c.workers[i], seatedClients[i].counter
	all := got.By(name, "dir")
	total, counted := all[w.dir]
	switch {
	case counted && total != want:
		t.Errorf("%s of %s is %v, not %v", name, w.Name, total, want)
	case !counted && (must || got.Sum("promfold_file_errors", "dir", w.dir) == 0):
		t.Errorf("%s of %s is not there, and nobody says why", name, w.Name)
	}
	return counted
}

// states is the state of the processes, and what told it.
func (c *seatCase) states(got rig.Samples, i int) string {
	dir := c.workers[i].dir
	if got.Sum("promfold_file_errors", "dir", dir, "reason", "io") > 0 {
		return "not readable"
	}
	var words []string
	for _, state := range []string{"live", "dead", "unknown"} {
		if got.Sum("promfold_processes", "dir", dir, "state", state) > 0 {
			words = append(words, state)
		}
	}
	for _, method := range []string{"lock", "lease", "pid", "none"} {
		if got.Sum("promfold_liveness_files", "dir", dir, "method", method) > 0 {
			words = append(words, method)
		}
	}
	return strings.Join(words, " ")
}

// enoughRounds is how many rounds of the archiver a dead file must outlast, to count
// as left: where the table says that it is, and where nothing is known.
const enoughRounds, plenty = 8, 40

// awaitDeaths waits until the files of the dead are archived, or are not going to be.
func (c *seatCase) awaitDeaths(t *testing.T, outcomes []seatOutcome) {
	rounds := enoughRounds
	if c.expected == nil {
		rounds = plenty
	}
	c.awaitRounds(t, rounds, func(got rig.Samples) bool {
		all := true
		for i, w := range c.workers {
			outcomes[i].dead = c.archived(t, got, w)
			gone := outcomes[i].dead == "archived"
			// Who is said to be archived is waited for.
			all = all && (gone || c.expected != nil && c.expected[i].dead != "archived" && len(c.rounds[i]) >= rounds)
		}
		return all
	})
	if c.expected == nil {
		return
	}
	for i, w := range c.workers { // late ones
		if c.expected[i].dead == "archived" {
			rig.Await(t, patience, func() error {
				if outcomes[i].dead = c.archived(t, c.scrape(t), w); outcomes[i].dead != "archived" {
					return fmt.Errorf("the file of %s is not archived", w.Name)
				}
				return nil
			})
		}
	}
}

// archived is what has become of a worker's file, "" if it is not in the archive.
func (c *seatCase) archived(t *testing.T, got rig.Samples, w *seated) string {
	switch {
	case got.Sum("promfold_archive_generation", "dir", w.dir) == 0 || got.Sum("promfold_liveness_files", "dir", w.dir) > 0:
		return ""
	case len(inodes(t, w.dir)) > 0:
		return "archived, the file stays"
	default:
		return "archived"
	}
}

// inodes are the files of processes in the directory, by name.
func inodes(t *testing.T, dir string) map[string]uint64 {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]uint64)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		all[e.Name()] = info.Sys().(*syscall.Stat_t).Ino
	}
	return all
}

func sameNames(a, b map[string]uint64) bool {
	return fmt.Sprint(a) == fmt.Sprint(b) // maps print in order
}

// overlay mounts an overlay file system, whose upper layer is a tmpfs.
func overlay(t *testing.T) string {
	t.Helper()
	base := rig.NewDirectory(t, rig.User{}, 0o755)
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(base, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	merged := filepath.Join(base, "merged")
	options := fmt.Sprintf("lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work", base, base, base)
	if err := unix.Mount("overlay", merged, "overlay", 0, options); err != nil {
		t.Fatalf("mount an overlay: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(merged, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return merged
}
