//go:build unix

package archiver

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/sys"
)

// Property: what somebody has put into the place of the spare or the archive, to
// make us write elsewhere, keeps its bytes and its mode, and the commit succeeds.
func TestSpareThatLeadsElsewhere(t *testing.T) {
	plants := map[string]func(victim, path string) error{
		"link":      os.Symlink,
		"hard link": os.Link,
		"pipe":      func(_, path string) error { return unix.Mkfifo(path, 0o666) },
		"directory": func(_, path string) error { return os.Mkdir(path, 0o777) },
		"new file": func(victim, path string) error {
			return os.Symlink(filepath.Join(filepath.Dir(victim), "new"), path)
		},
	}
	for name, plant := range plants {
		for _, place := range []string{directory.SpareName, directory.ArchiveName} {
			t.Run(name+" for "+place, func(t *testing.T) {
				dir, elsewhere := t.TempDir(), t.TempDir()
				victim := filepath.Join(elsewhere, "victim")
				must(t, os.WriteFile(victim, []byte("kept"), 0o600))
				must(t, os.Mkdir(filepath.Join(dir, directory.HiddenName), 0o755))
				must(t, plant(victim, filepath.Join(dir, directory.HiddenName, place)))
				d := directory.New(dir, directory.Options{Archiving: true})
				defer d.Close()
				a := New(d, Options{})
				for i := range 4 { // archive and spare change places
					dead(t, dir, uint64(5+i))
					must(t, a.Once(context.Background()))
				}
				if got := exposedBy(t, d); got != 5+6+7+8 {
					t.Errorf("exposed %v", got)
				}
				b, err := os.ReadFile(victim)
				info, err2 := os.Stat(victim)
				if err != nil || err2 != nil || string(b) != "kept" || info.Mode().Perm() != 0o600 {
					t.Errorf("the victim is %.40q of mode %v, %v, %v", b, info.Mode(), err, err2)
				}
				if got := strings.Join(names(t, elsewhere), " "); got != "victim" {
					t.Errorf("beside it: %s", got)
				}
			})
		}
	}
}

// Property: where there is something else in the place of our own directory, nothing
// is done to it, nor to where it leads; the round fails and says what is wrong.
func TestHiddenDirThatLeadsElsewhere(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	hidden := filepath.Join(dir, directory.HiddenName)
	must(t, os.Symlink(elsewhere, hidden))
	must(t, os.WriteFile(filepath.Join(elsewhere, directory.SpareName), []byte("kept"), 0o600))
	dead(t, dir, 5)
	d := directory.New(dir, directory.Options{Archiving: true})
	defer d.Close()
	a := New(d, Options{})
	if err := a.Once(context.Background()); err == nil || !strings.Contains(err.Error(), hidden) {
		t.Errorf("a round through a link: %v", err)
	}
	b, err := os.ReadFile(filepath.Join(elsewhere, directory.SpareName))
	if got := names(t, elsewhere); err != nil || len(got) != 1 || string(b) != "kept" {
		t.Errorf("elsewhere: %q, %q, %v", got, b, err)
	}
	must(t, os.Remove(hidden))
	must(t, a.Once(context.Background()))
	if got := exposedBy(t, d); got != 5 {
		t.Errorf("exposed %v", got)
	}
}

// Property: a file that somebody links to the name of the spare and unlinks again, all
// the time, is not opened to be written to, though it has one name whenever the link is
// gone.
func TestSpareLinkedForMoments(t *testing.T) {
	base := shm(t) // links stay in one file system
	dir, victim := filepath.Join(base, "metrics"), filepath.Join(base, "victim")
	must(t, os.MkdirAll(filepath.Join(dir, directory.HiddenName), 0o755))
	must(t, os.WriteFile(victim, nil, 0o600))
	kept, err := os.Stat(victim)
	must(t, err)
	d := directory.New(dir, directory.Options{Archiving: true})
	defer d.Close()
	a := New(d, Options{})
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-done:
				return
			default:
				_ = os.Link(victim, a.sparePath())
				_ = os.Remove(a.sparePath())
			}
		}
	}()
	met, opened := 0, 0
	for range 30_000 {
		f, err := a.openOwn(a.sparePath(), 0)
		if errors.Is(err, sys.ErrNotSole) {
			met++
		}
		if err != nil {
			continue
		}
		info, err := f.Stat()
		must(t, errors.Join(err, f.Close()))
		if os.SameFile(info, kept) {
			opened++
		}
	}
	close(done)
	<-stopped
	if met == 0 || opened > 0 {
		t.Errorf("met the link %d times, and opened it %d times", met, opened)
	}
}
