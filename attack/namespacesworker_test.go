//go:build attack && linux

package attack_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/internal/stocktest"
	"github.com/promfold/promfold/worker"
)

func init() { roles["seated"] = countInSeat }

// seatedClients are the clients of the workers, each with what opens its file and
// returns how it counts one more.
var seatedClients = []struct {
	name, counter string
	open          func(dir string) (count func() error, err error)
}{
	{"native", "n_total", countNative},
	{"client_python", "c_total", countPython},
	{"DirectFileStore", "r_total", countRuby},
}

// countInSeat counts while it is asked to, and says how far it has come when it is
// asked to rest. What it has said has returned.
func countInSeat() error {
	var count func() error
	for _, client := range seatedClients {
		if client.name == os.Args[1] {
			var err error
			if count, err = client.open(os.Args[2]); err != nil {
				return err
			}
		}
	}
	asked := make(chan string)
	go func() {
		defer close(asked)
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			asked <- lines.Text()
		}
	}()
	fmt.Printf("seated as %d\n", os.Getpid())
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	var work <-chan time.Time
	for total := 0; ; {
		select {
		case word, ok := <-asked:
			switch {
			case !ok:
				return nil
			case word == "count":
				work = ticker.C
			case word == "rest":
				work = nil
				fmt.Printf("rests at %d\n", total)
			}
		case <-work:
			for range 10 {
				if err := count(); err != nil {
					return err
				}
				total++
			}
		}
	}
}

func countNative(dir string) (func() error, error) {
	store, err := worker.New(dir)
	if err != nil {
		return nil, err
	}
	f := worker.With(store)
	counted := f.NewCounter(prometheus.CounterOpts{Name: "n_total", Help: "Things counted."})
	f.NewGauge(prometheus.GaugeOpts{Name: "seat", Help: "Of each process."}).Set(1)
	return func() error { counted.Inc(); return nil }, nil
}

func countPython(dir string) (func() error, error) {
	pid := strconv.Itoa(os.Getpid())
	f, err := stocktest.Open(filepath.Join(dir, "counter_"+pid+".db"))
	if err != nil {
		return nil, err
	}
	gauge, err := stocktest.Open(filepath.Join(dir, "gauge_liveall_"+pid+".db"))
	if err != nil {
		return nil, err
	}
	if err := gauge.Set(stocktest.Key("seat", "seat", "Of each process."), 1, 0); err != nil {
		return nil, err
	}
	return func() error { return f.Add(stocktest.CounterKey, 1) }, f.Add(stocktest.CounterKey, 0)
}

// countRuby writes a file of one series without labels, as DirectFileStore does:
// the key is its own padding.
func countRuby(dir string) (func() error, error) {
	f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("metric_r_total___%d.bin", os.Getpid())), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	const key, used = "    ", 32
	entry := binary.NativeEndian.AppendUint32(nil, uint32(len(key)))
	entry = append(append(entry, key...), make([]byte, 16)...)
	value := 0.0
	put := func() error {
		at := 8 + 4 + int64(len(key))
		b := binary.NativeEndian.AppendUint64(nil, math.Float64bits(value))
		_, err := f.WriteAt(binary.NativeEndian.AppendUint64(b, math.Float64bits(float64(time.Now().UnixNano())/1e9)), at)
		return err
	}
	if err := f.Truncate(1 << 20); err != nil {
		return nil, err
	}
	if _, err := f.WriteAt(entry, 8); err != nil {
		return nil, err
	}
	if err := put(); err != nil {
		return nil, err
	}
	_, err = f.WriteAt(binary.NativeEndian.AppendUint32(nil, used), 0)
	return func() error { value++; return put() }, err
}

// seated is a worker in its seat.
type seated struct {
	*rig.Process
	dir   string
	rests int // times that it was asked to
}

var (
	saysSeated = regexp.MustCompile(`seated as (\d+)`)
	saysRests  = regexp.MustCompile(`rests at (\d+)`)
)

// seat starts a worker. wrap is what puts it into its seat.
func seat(t *testing.T, client, dir string, wrap func([]string) []string) *seated {
	t.Helper()
	what := inRole("seated", client, dir)
	what.Args, what.Stdin = wrap(what.Args), true
	w := &seated{Process: rig.Start(t, client+" worker", what), dir: dir}
	w.Says(t, saysSeated, 1, patience)
	return w
}

func (w *seated) ask(t *testing.T, word string) {
	t.Helper()
	if _, err := fmt.Fprintln(w.Stdin, word); err != nil {
		t.Fatal(err)
	}
}

// rest stops the counting, and returns how much was counted.
func (w *seated) rest(t *testing.T) float64 {
	t.Helper()
	w.ask(t, "rest")
	w.rests++
	n, err := strconv.ParseFloat(w.Says(t, saysRests, w.rests, patience)[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
