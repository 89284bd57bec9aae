package mmapstore

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// manyBirths gives so many files a short life, and announces each end of one
// before it begins.
func manyBirths() {
	n := must(strconv.Atoi(os.Args[2]))
	for range n {
		w := must(Create(os.Args[1], WriterOptions{}))
		s := must(w.AddSeries(must(w.AddFamily(counterFamily)), "", time.Now()))
		s.Cells[0].Add(1)
		fmt.Println(w.Path())
		if err := w.Close(); err != nil {
			must(0, err)
		}
	}
}

// announced collects the ends that children announce.
type announced struct {
	mu    sync.Mutex // guards what follows
	more  sync.Cond
	paths map[string]bool
	open  int // children that may say more
}

func (a *announced) listen(c *child) {
	for {
		line, err := c.out.ReadString('\n')
		a.mu.Lock()
		if err != nil {
			a.open--
		} else {
			a.paths[line[:len(line)-1]] = true
		}
		a.more.Broadcast()
		a.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// has waits until the end of path was announced, or can be no more.
func (a *announced) has(path string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.paths[path] && a.open > 0 {
		a.more.Wait()
	}
	return a.paths[path]
}

func (a *announced) over() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.open == 0
}

// Property: whoever sees the name of a file sees it locked until its writer
// has begun to give it up, and then with all that was counted. So an archiver
// that collects what is dead, as fast as it can, loses nothing of 2,000 lives.
func TestNoNameWithoutLock(t *testing.T) {
	const children, births = 4, 500
	dir := t.TempDir()
	a := &announced{paths: make(map[string]bool), open: children}
	a.more.L = &a.mu
	for range children {
		go a.listen(startChild(t, "births", dir, strconv.Itoa(births)))
	}
	var collected uint64
	for last := false; ; {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if path := filepath.Join(dir, e.Name()); IsFileName(e.Name()) {
				collected += collectDead(t, a, path)
			} else if last {
				t.Errorf("%s was left behind", e.Name())
			}
		}
		if last {
			break
		}
		last = a.over() // look once more after the last word
	}
	if collected != children*births {
		t.Errorf("collected %d counts of %d lives", collected, children*births)
	}
}

// collectDead takes what a dead file holds and unlinks it.
func collectDead(t *testing.T, a *announced, path string) uint64 {
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Probe().State != Dead {
		return 0
	}
	if !a.has(path) {
		t.Fatalf("%s tests as dead in the midst of its life", path)
	}
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	got := contents(t, r)["hits_total{}"]
	if err := os.Remove(path); err != nil || len(got) == 0 {
		t.Fatalf("%s holds %v, %v", path, got, err)
	}
	return got[0]
}

// Property: a temporary file is abandoned if it is old and nobody locks it.
func TestAbandoned(t *testing.T) {
	w := newWriter(t, WriterOptions{}) // a file that is locked, whatever its name
	old := time.Now().Add(-time.Hour)
	temp := writeFile(t, nil)
	assert := func(path string, want bool) {
		t.Helper()
		if got, err := Abandoned(path, time.Minute); got != want || err != nil {
			t.Errorf("%s: %v, %v, want %v", path, got, err, want)
		}
	}
	assert(temp, false)
	for _, path := range []string{temp, w.Path()} {
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	assert(temp, true)
	assert(w.Path(), false)
	if _, err := Abandoned(filepath.Join(t.TempDir(), "none"), 0); !os.IsNotExist(err) {
		t.Errorf("absent file: %v", err)
	}
}

// Property: an identity becomes a valid label value or is refused; what Create
// makes, Open takes.
func TestIdentity(t *testing.T) {
	for identity, want := range map[string]string{
		"":        strconv.Itoa(os.Getpid()),
		"web-1":   "web-1",
		"caf\xe9": "caf\uFFFD",
	} {
		w := newWriter(t, WriterOptions{Identity: identity})
		if got := mustOpen(t, w.Path()).Header().Identity; got != want {
			t.Errorf("identity %q is read as %q, want %q", identity, got, want)
		}
	}
}
