//go:build attack && linux

package attack_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/worker"
)

func init() { roles["fleet-write"] = writeForFleet }

// What the test asks of a writer, each followed by the number of a host. Pause and
// resume are those of counting workers, and so is the answer; all other answers
// are numbers of hosts, one for each batch that has returned.
const (
	askRenew = 'n' // the process of the host ends, and another follows
	askEnd   = 'e' // the process of the host ends
)

const (
	fleetParts = 10 // histograms of a host
	fleetSteps = 3  // how many different steps counters are moved by
)

// fleetProcess is the one process that a host has as far as its directory shows.
type fleetProcess struct {
	host, life int
	dir        string
	series     int

	mu     sync.Mutex // guards the rest, for the length of a batch
	atRest bool
	n      int // batches of all lives
	store  *worker.Store
	items  []prometheus.Counter
	own    prometheus.Counter
	parts  []prometheus.Observer
	gauges []prometheus.Gauge
}

// writeForFleet is the processes of so many hosts from the first on, whose
// directories are in os.Args[3:]. It counts in one after the other until stdin
// ends.
func writeForFleet() error {
	first, err1 := strconv.Atoi(os.Args[1])
	series, err2 := strconv.Atoi(os.Args[2])
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	var all []*fleetProcess
	for i, dir := range os.Args[3:] {
		p := &fleetProcess{host: first + i, dir: dir, series: series}
		if err := p.begin(); err != nil {
			return err
		}
		all = append(all, p)
	}
	var stop atomic.Bool
	counted := make(chan error, 1)
	go func() { counted <- countForFleet(all, &stop) }()
	err := obeyFleet(all, first, os.Stdin)
	stop.Store(true)
	return errors.Join(err, <-counted)
}

func countForFleet(all []*fleetProcess, stop *atomic.Bool) error {
	for {
		for _, p := range all {
			if stop.Load() {
				return nil
			}
			if err := p.turn(); err != nil {
				return err
			}
			time.Sleep(2 * time.Millisecond) // leaves the processor to others
		}
	}
}

func obeyFleet(all []*fleetProcess, first int, in io.Reader) error {
	b := make([]byte, 2)
	for {
		if _, err := io.ReadFull(in, b); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := all[int(b[1])-first].obey(b[0]); err != nil {
			return err
		}
		if _, err := os.Stdout.Write([]byte{answered}); err != nil {
			return err
		}
	}
}

// begin opens the file of another process, whose label pid says the host and the
// life.
func (p *fleetProcess) begin() (err error) {
	if p.store, err = worker.New(p.dir, worker.WithIdentity(fleetPID(p.host, p.life))); err != nil {
		return err
	}
	f := worker.With(p.store)
	items := f.NewCounterVec(prometheus.CounterOpts{Name: "fleet_items_total", Help: "By steps."}, []string{"series"})
	p.items = nil
	for i := range p.series - fleetParts - 1 - len(fleetGauges) {
		p.items = append(p.items, items.WithLabelValues(strconv.Itoa(i)))
	}
	p.own = f.NewCounterVec(prometheus.CounterOpts{Name: "fleet_batches_total", Help: "Of one host."}, []string{"of"}).
		WithLabelValues(strconv.Itoa(p.host))
	parts := f.NewHistogramVec(prometheus.HistogramOpts{
		Name: "fleet_seconds", Help: "Half a second and one and a half.", Buckets: []float64{1, 2},
	}, []string{"part"})
	p.parts = nil
	for i := range fleetParts {
		p.parts = append(p.parts, parts.WithLabelValues(strconv.Itoa(i)))
	}
	p.gauges = nil
	for _, mode := range fleetGauges {
		p.gauges = append(p.gauges, f.WithMode(mode).NewGauge(prometheus.GaugeOpts{Name: fleetGauge(mode), Help: "Batches."}))
	}
	return nil
}

// end closes the file, in which everything must have had a place.
func (p *fleetProcess) end() error {
	if s := p.store.Stats(); s.Dropped > 0 || s.Rejected > 0 {
		return fmt.Errorf("host %d: %+v", p.host, s)
	}
	return p.store.Close()
}

func (p *fleetProcess) obey(question byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch question {
	case askPause:
		p.atRest = true
	case askResume:
		p.atRest = false
	case askEnd:
		p.atRest = true
		return p.end()
	case askRenew:
		p.life++
		if err := errors.Join(p.end(), p.begin()); err != nil {
			return err
		}
		return p.batch() // so that the gauges are there
	}
	return nil
}

func (p *fleetProcess) turn() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.atRest {
		return nil
	}
	return p.batch()
}

// batch moves every series of the host, and says so after every call has returned.
func (p *fleetProcess) batch() error {
	p.n++
	for i, item := range p.items {
		item.Add(itemStep(i))
	}
	p.own.Inc()
	for _, part := range p.parts {
		part.Observe(0.5)
		part.Observe(1.5)
	}
	for _, gauge := range p.gauges {
		gauge.Set(float64(p.n))
	}
	_, err := os.Stdout.Write([]byte{byte(p.host)})
	return err
}

// fleetWriter is a process that counts for hosts, as the test has it.
type fleetWriter struct {
	*rig.Process
	hosts []*fleetHost // of the whole fleet
	heard chan struct{}
}

// Write hears what the writer says.
func (w *fleetWriter) Write(b []byte) (int, error) {
	for _, said := range b {
		if said == answered {
			w.heard <- struct{}{}
		} else {
			w.hosts[said].acked.Add(1)
		}
	}
	return len(b), nil
}

// ask returns when what the host's process was asked is done, and all that it did before is
// acknowledged.
func (w *fleetWriter) ask(t testing.TB, question byte, host int) {
	t.Helper()
	if _, err := w.Stdin.Write([]byte{question, byte(host)}); err != nil {
		t.Fatalf("%s: %v", w.Name, err)
	}
	select {
	case <-w.heard:
	case <-time.After(patience):
		t.Fatalf("%s does not answer:\n%s", w.Name, w.Out.Tail(20))
	}
}
