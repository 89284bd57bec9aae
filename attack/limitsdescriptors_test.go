//go:build attack && linux

package attack_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/worker"
)

func init() { roles["throng"] = throng }

// throng is many workers in one process, each with a file. For each line that it
// reads each of them counts one, and then it says how many they have counted.
func throng() error {
	dir := os.Args[1]
	files, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return err
	}
	var counters []prometheus.Counter
	for i := range files {
		store, err := worker.New(dir, worker.WithIdentity(strconv.Itoa(i)))
		if err != nil {
			return err
		}
		counters = append(counters, worker.With(store).NewCounter(prometheus.CounterOpts{Name: "crowd_total", Help: "Counted."}))
	}
	counted := 0
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		for _, c := range counters {
			c.Inc()
			counted++
		}
		fmt.Println(counted)
	}
	return nil
}

// throngOf is such a process, and what it has acknowledged.
type throngOf struct {
	*rig.Process
	counted int
	said    *bufio.Reader
}

func startThrong(t *testing.T, dir string, files int) *throngOf {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	command := inRole("throng", dir, strconv.Itoa(files))
	command.Stdout, command.Stdin = w, true
	c := &throngOf{Process: rig.Start(t, "crowd", command), said: bufio.NewReader(r)}
	_ = w.Close()
	c.count(t)
	return c
}

// count lets each count one more.
func (c *throngOf) count(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(c.Stdin, "\n"); err != nil {
		t.Fatal(err)
	}
	line, err := c.said.ReadString('\n')
	if err == nil {
		_, err = fmt.Sscan(line, &c.counted)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, c.Out.Tail(20))
	}
}

// Property: a promfold that may not open as many files as there are answers 503,
// and never a part of the counts. One that may shows them all; when that is taken
// from it, it goes on showing what it has open, and of files that come then those for
// which a descriptor happens to be free, never less than before; and has all again,
// archived, when it may once more.
func TestFewerDescriptorsThanFiles(t *testing.T) {
	const files = 150
	dir := rig.NewDirectory(t, rig.User{}, 0o755)
	c := startThrong(t, dir, files)
	start := func(descriptors string) *rig.Sidecar {
		return rig.StartAs(t, rig.Command{Args: []string{"sh", "-c", `ulimit -n ` + descriptors + `; exec "$@"`, "sh",
			promfold(), "serve", "--multiproc.dir=" + dir, "--web.listen-address=127.0.0.1:0", "--archive.interval=50ms"}})
	}
	s := start("64")
	for range 5 {
		if got, err := s.Scrape(); err == nil || !strings.Contains(err.Error(), "503") {
			t.Errorf("a part of %d files, %v: %v", files, got.Sum("crowd_total"), err)
		}
	}
	s.Stop(t)
	s = start("1024")
	pid := s.Process().PID
	few := func() {
		if err := setLimit(pid, unix.RLIMIT_NOFILE, 64); err != nil {
			t.Fatal(err)
		}
	}
	enough := func() {
		if err := setLimit(pid, unix.RLIMIT_NOFILE, 1024); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when string, total int) {
		t.Helper()
		if got := s.Scraped(t).Sum("crowd_total"); got != float64(total) {
			t.Errorf("%s: exposed %v, counted %v", when, got, total)
		}
	}
	check("with enough", c.counted)
	few()
	c.count(t)
	check("with too few, of open files", c.counted)
	others := startThrong(t, dir, files)
	shown := float64(c.counted)
	atLeast := func(when string) {
		t.Helper()
		got := s.Scraped(t).Sum("crowd_total")
		if got < shown || got >= float64(c.counted+others.counted) {
			t.Errorf("%s: exposed %v after %v; counted %d, and %d in files of which few can be opened", when, got, shown, c.counted, others.counted)
		}
		shown = got
	}
	atLeast("with too few, and files that it cannot open")
	c.Kill()
	atLeast("with too few, and some dead")
	enough()
	check("with enough again", c.counted+others.counted)
	others.Kill()
	awaitArchived(t, s)
	check("archived", c.counted+others.counted)
	t.Logf("%d and %d files with 64 descriptors", files, files)
}

// Property: a promfold that has not one descriptor left for exactly one scrape
// answers 503, or shows nothing that is lower than before; while workers count,
// are born, die, and are archived by another. The scrape after shows all.
func TestNoDescriptorForOneScrape(t *testing.T) {
	dir := rig.NewDirectory(t, rig.User{}, 0o777)
	h := newHouse(t, dir, rig.User{}, 2)
	h.move(0)
	h.move(1)
	var answered, refused atomic.Int64
	clients, seen := make([]*http.Client, 2), make([]rig.Monotone, 2)
	look := func(i int, must bool) {
		t.Helper()
		least := h.acknowledged()
		got, err := rig.Ask(clients[i], h.readers[i].URL())
		if err != nil {
			refused.Add(1)
			if must {
				t.Fatalf("reader %d: %v", i, err)
			}
			return
		}
		answered.Add(1)
		for _, fault := range seen[i].Check(got.App()) {
			t.Errorf("reader %d: %s", i, fault)
		}
		for serial, n := range least {
			if value := got.Sum("full_base_total", "serial", serial); must && value < n {
				t.Errorf("reader %d: worker %s has acknowledged %v and is exposed with %v", i, serial, n, value)
			}
		}
	}
	for i := range clients { // whose connections stay
		clients[i] = &http.Client{Timeout: patience, Transport: &http.Transport{MaxConnsPerHost: 1}}
		defer clients[i].CloseIdleConnections()
	}
	const times = 10
	for n := range times {
		starved := n % 2
		look(0, true)
		look(1, true)
		pid := h.readers[starved].Process().PID
		if err := setLimit(pid, unix.RLIMIT_NOFILE, 3); err != nil {
			t.Fatal(err)
		}
		h.living[0].grow(t, 3)
		h.killAnyhow(1)
		if starved == 1 { // the other archives under the eyes of one that cannot look
			h.archived()
		}
		h.move(1)
		look(starved, false)
		if err := setLimit(pid, unix.RLIMIT_NOFILE, 1024); err != nil {
			t.Fatal(err)
		}
		look(starved, true)
		h.archived()
		h.check()
	}
	for i, s := range h.readers {
		if !strings.Contains(s.Process().Out.String(), "too many open files") {
			t.Errorf("reader %d has not noticed that it had no descriptor", i)
		}
	}
	t.Logf("%d times without a descriptor; %d answers good, %d refused", times, answered.Load(), refused.Load())
}

// killAnyhow is kill where no scrape can be had: what the worker counted had a
// place.
func (h *house) killAnyhow(slot int) {
	h.t.Helper()
	w := h.living[slot]
	if s := w.ask(h.t, askRest); s.Stats.Homeless > 0 {
		h.t.Fatalf("%+v", s.Stats)
	}
	w.Kill()
	h.living[slot] = nil
	for n, counted := range w.each {
		h.dead[slot][n] += counted
	}
}
