//go:build attack && linux

package attack_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/internal/stocktest"
	"github.com/promfold/promfold/mmapstore"
)

var (
	loadProcesses = flag.Int("load-processes", 200, "how many processes live at once")
	loadSeries    = flag.Int("load-series", 200, "how many series each of them has")
)

func init() { roles["load-live"] = beAlive }

const (
	loadFamily = "load_native_total"
	loadStock  = "load_stock_total"
)

// simulated is a process as its files show it: each has a file, and the lock or
// the open descriptor that is the sign of life.
type simulated struct {
	writer *mmapstore.Writer
	slots  []mmapstore.Slot
	stock  *stocktest.File
	keys   []string
}

// beAlive is the processes from the first up to the last, every other one a stock
// client's. It counts once in every series for each line on stdin.
func beAlive() error {
	dir := os.Args[1]
	var numbers [4]int
	for i, arg := range os.Args[2:] {
		var err error
		if numbers[i], err = strconv.Atoi(arg); err != nil {
			return err
		}
	}
	var all []*simulated
	for n := numbers[0]; n < numbers[1]; n++ {
		s, err := newSimulated(dir, n, numbers[2], numbers[3])
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	fmt.Println("alive")
	asked := bufio.NewScanner(os.Stdin)
	for asked.Scan() {
		for _, s := range all {
			if err := s.count(); err != nil {
				return err
			}
		}
		fmt.Println("counted")
	}
	return asked.Err() // dies with all its files open
}

func newSimulated(dir string, n, series, padding int) (*simulated, error) {
	s := &simulated{}
	if n%2 == 1 {
		f, err := stocktest.Open(filepath.Join(dir, fmt.Sprintf("counter_%d.db", simulatedPID+n)))
		s.stock = f
		for i := range series {
			s.keys = append(s.keys, stocktest.Key("load_stock", loadStock, "Of stock clients.", "series="+seriesName(i, padding)))
		}
		return s, err
	}
	w, err := mmapstore.Create(dir, mmapstore.WriterOptions{Identity: strconv.Itoa(simulatedPID + n)})
	if err != nil {
		return nil, err
	}
	s.writer = w
	family, err := w.AddFamily(mmapstore.Family{Name: loadFamily, Type: mmapstore.Counter, Help: "Of native clients."})
	for i := 0; i < series && err == nil; i++ {
		var slot mmapstore.Slot
		if slot, err = addSeries(w, family, "series", seriesName(i, padding)); err == nil {
			s.slots = append(s.slots, slot)
		}
	}
	return s, err
}

func addSeries(w *mmapstore.Writer, family int, label, value string) (slot mmapstore.Slot, err error) {
	labels, err := mmapstore.EncodeLabels([]mmapstore.Label{{Name: label, Value: value}})
	if err != nil {
		return slot, err
	}
	return w.AddSeries(family, labels, time.Now())
}

// simulatedPID is above all pids that the system gives out.
const simulatedPID = 10_000_000

// seriesName is a value of a label, with so many bytes more than need be.
func seriesName(i, padding int) string {
	return fmt.Sprintf("a value of some length %06d%s", i, strings.Repeat("x", padding))
}

func (s *simulated) count() error {
	for _, slot := range s.slots {
		slot.Cells[0].Add(1)
	}
	for _, key := range s.keys {
		if err := s.stock.Add(key, 1); err != nil {
			return err
		}
	}
	return nil
}

// crowd is many simulated processes, in few real ones.
type crowd struct {
	keepers []*rig.Process
	counted int // times that all counted
	size    int
	series  int
	padding int
}

var (
	loadAlive   = regexp.MustCompile(`alive`)
	loadCounted = regexp.MustCompile(`counted`)
)

func startCrowd(t testing.TB, dir string, size, series, padding int) *crowd {
	t.Helper()
	const keepers = 4
	c := &crowd{size: size, series: series, padding: padding}
	for i := range keepers {
		command := inRole("load-live", dir, strconv.Itoa(size*i/keepers), strconv.Itoa(size*(i+1)/keepers),
			strconv.Itoa(series), strconv.Itoa(padding))
		command.Stdin = true
		c.keepers = append(c.keepers, rig.Start(t, fmt.Sprint("crowd ", i), command))
	}
	for _, k := range c.keepers {
		k.Says(t, loadAlive, 1, 10*patience)
	}
	return c
}

// count lets every process count once in every series.
func (c *crowd) count(t testing.TB) {
	t.Helper()
	for _, k := range c.keepers {
		if _, err := io.WriteString(k.Stdin, "\n"); err != nil {
			t.Fatal(err)
		}
	}
	c.counted++
	for _, k := range c.keepers {
		k.Says(t, loadCounted, c.counted, 10*patience)
	}
}

// check holds every series against what was counted.
func (c *crowd) check(t testing.TB, got rig.Samples) {
	t.Helper()
	wrong := 0
	for i := range c.series {
		for name, processes := range map[string]int{loadFamily: (c.size + 1) / 2, loadStock: c.size / 2} {
			series := rig.Series(name, map[string]string{"series": seriesName(i, c.padding)})
			if want := float64(processes * c.counted); got[series].Value != want && want > 0 {
				if wrong++; wrong <= 3 {
					t.Errorf("%s is %v, and %v were counted", series, got[series].Value, want)
				}
			}
		}
	}
	if wrong > 3 {
		t.Errorf("%d series are wrong", wrong)
	}
}

// Property: however many processes live at once, every total is exact; a file
// costs the sidecar a descriptor and a mapping, which it gives back.
func TestLoadProcesses(t *testing.T) {
	dir := rig.NewDirectory(t, rig.User{}, 0o755)
	s := rig.StartSidecar(t, promfold(), rig.Seat{}, dir, "--archive.interval=1s")
	empty := held(t, s, dir)
	c := startCrowd(t, dir, *loadProcesses, *loadSeries, 0)
	var full holding
	var cold time.Duration
	var warm []time.Duration
	for round := range 10 {
		c.count(t)
		began := time.Now()
		got := s.Scraped(t)
		if took := time.Since(began); round == 0 {
			cold = took
		} else {
			warm = append(warm, took)
		}
		c.check(t, got)
		if n := int(got.By("promfold_processes", "state")["live"]); n != c.size {
			t.Errorf("%d processes are said to live, of %d", n, c.size)
		}
		full = held(t, s, dir)
	}
	slices.Sort(warm)
	t.Logf("%d processes of %d series: the first scrape took %v, later ones %v in the median; empty: %v; full: %v",
		c.size, c.series, cold.Round(time.Millisecond), warm[len(warm)/2].Round(time.Millisecond), empty, full)
	if full.Files > c.size || full.Descriptors > empty.Descriptors+c.size+slackDescriptors {
		t.Errorf("%d files cost %d mappings and %d descriptors", c.size, full.Files, full.Descriptors-empty.Descriptors)
	}
	for _, k := range c.keepers {
		k.Kill()
	}
	awaitArchived(t, s)
	c.check(t, s.Scraped(t))
	after := awaitHeld(t, s, dir, empty)
	t.Logf("all dead and archived: %v", after)
	if log := s.Stop(t); strings.Contains(log, "level=WARN") || strings.Contains(log, "level=ERROR") {
		t.Errorf("the sidecar complained:\n%s", log)
	}
}
