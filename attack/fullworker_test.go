//go:build attack && linux

package attack_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/worker"
)

func init() { roles["hoard"] = hoard }

// hoard counts in one series all the time, and makes and counts in others when it
// is told to, as many as it is told. What it says of an increment it says after
// the call has returned.
func hoard() error {
	dir, slot, serial := os.Args[1], os.Args[2], os.Args[3]
	h := &hoarding{}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	var failed error
	h.store, failed = worker.Open(dir, worker.WithSnapshotInterval(50*time.Millisecond),
		worker.WithLogger(logger), worker.WithFileMode(0o644))
	base := worker.NewCounter(prometheus.CounterOpts{
		Name: "full_base_total", Help: "All the time.", ConstLabels: prometheus.Labels{"serial": serial},
	})
	h.sizes = worker.NewHistogram(prometheus.HistogramOpts{
		Name: "full_base_size", Help: "All the time.", Buckets: []float64{1, 2}, ConstLabels: prometheus.Labels{"serial": serial},
	})
	h.vec = worker.NewCounterVec(prometheus.CounterOpts{
		Name: "full_grown_total", Help: "As asked.", ConstLabels: prometheus.Labels{"slot": slot},
	}, []string{"n"})
	if failed != nil {
		h.say(said{Answer: true, Err: failed.Error()})
	} else {
		h.say(said{Answer: true})
	}
	go func() {
		for {
			h.turn.Lock()
			for range baseStep {
				h.timed(base.Inc)
				h.timed(func() { h.sizes.Observe(1.5) })
			}
			h.base++
			h.say(said{Base: h.base})
			h.turn.Unlock()
			time.Sleep(time.Millisecond)
		}
	}()
	return h.obey()
}

// baseStep is by how much the series grows between two acknowledgements.
const baseStep = 16

type hoarding struct {
	store *worker.Store
	sizes prometheus.Histogram
	vec   *prometheus.CounterVec

	turn    sync.Mutex // guards the fields below, and is held while something is counted
	base    uint64
	grown   int
	slowest atomic.Int64 // a time.Duration
}

// said is one line of what the worker says.
type said struct {
	Base   uint64 `json:",omitempty"` // steps that have returned
	Answer bool   `json:",omitempty"` // to what it was asked
	Err    string `json:",omitempty"`
	Stats  worker.Stats
	// Slowest is the longest that any metric call took. Nothing is asserted of it.
	Slowest time.Duration `json:",omitempty"`
}

func (h *hoarding) say(s said) {
	line, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.Write(append(line, '\n'))
}

func (h *hoarding) timed(call func()) {
	began := time.Now()
	call()
	h.slowest.Store(max(h.slowest.Load(), int64(time.Since(began))))
}

// obey does what it is asked until the questions end, and then counts no more. It
// has the turn while it rests.
func (h *hoarding) obey() error {
	questions := bufio.NewScanner(os.Stdin)
	rests := false
	for questions.Scan() {
		verb, number, _ := strings.Cut(questions.Text(), " ")
		n, _ := strconv.Atoi(number)
		if !rests {
			h.turn.Lock()
		}
		rests = verb == askRest || rests && verb != askGoOn
		switch verb {
		case askGrow:
			for range n {
				h.timed(func() { h.vec.WithLabelValues(strconv.Itoa(h.grown)).Inc() })
				h.grown++
			}
		case askCount:
			for i := range h.grown {
				h.timed(func() { h.vec.WithLabelValues(strconv.Itoa(i)).Add(float64(n)) })
			}
		}
		h.say(said{Answer: true, Stats: h.store.Stats(), Slowest: time.Duration(h.slowest.Load())})
		if !rests {
			h.turn.Unlock()
		}
	}
	if !rests {
		h.turn.Lock()
	}
	return h.store.Close()
}

// What a test asks of it: so many series more, so many in each, to count nothing
// until it may go on, how it is.
const (
	askGrow  = "grow"
	askCount = "count"
	askRest  = "rest"
	askGoOn  = "on"
	askStats = "stats"
)

// hoarder is a worker that hoards, and what it has said.
type hoarder struct {
	*rig.Process
	slot, serial int
	each         []float64 // what it has counted in each of the series that it was told to make
	last         said      // to the last question
	err          string    // of Open

	base    atomic.Uint64 // acknowledged steps
	answers chan said
	rest    bytes.Buffer // an incomplete line; the goroutine that copies the output has it
}

func (h *hoarder) Write(b []byte) (int, error) {
	h.rest.Write(b)
	for bytes.IndexByte(h.rest.Bytes(), '\n') >= 0 {
		var s said
		line, _ := h.rest.ReadBytes('\n')
		if err := json.Unmarshal(line, &s); err != nil {
			return 0, err
		}
		if s.Answer {
			h.answers <- s
		} else {
			h.base.Store(s.Base)
		}
	}
	return len(b), nil
}

// startHoarder starts a worker that counts in the series of a slot.
func startHoarder(t testing.TB, dir string, slot, serial int, what ...func(*rig.Command)) *hoarder {
	t.Helper()
	h := &hoarder{slot: slot, serial: serial, answers: make(chan said, 1)}
	command := inRole("hoard", dir, strconv.Itoa(slot), strconv.Itoa(serial))
	command.Stdout, command.Stdin = h, true
	for _, change := range what {
		change(&command)
	}
	h.Process = rig.Start(t, fmt.Sprint("worker ", serial), command)
	h.err = h.answer(t).Err
	return h
}

func (h *hoarder) answer(t testing.TB) said {
	t.Helper()
	select {
	case s := <-h.answers:
		return s
	case <-time.After(patience):
		t.Fatalf("%s does not answer:\n%s", h.Name, h.Out.Tail(30))
		return said{}
	}
}

func (h *hoarder) ask(t testing.TB, question string) said {
	t.Helper()
	if _, err := h.Stdin.Write([]byte(question + "\n")); err != nil {
		t.Fatalf("%s: %v\n%s", h.Name, err, h.Out.Tail(30))
	}
	s := h.answer(t)
	h.last = s
	return s
}

// grow lets it make n more series, with 1 in each.
func (h *hoarder) grow(t testing.TB, n int) said {
	t.Helper()
	for range n {
		h.each = append(h.each, 1)
	}
	return h.ask(t, fmt.Sprint(askGrow, " ", n))
}

// count lets it count n in each of them.
func (h *hoarder) count(t testing.TB, n int) {
	t.Helper()
	for i := range h.each {
		h.each[i] += float64(n)
	}
	h.ask(t, fmt.Sprint(askCount, " ", n))
}

// stop ends it in good order: whatever it met, it lives.
func (h *hoarder) stop(t testing.TB) {
	t.Helper()
	_ = h.Stdin.Close()
	if err := h.Ended(t, patience); err != nil {
		t.Errorf("%s: %v\n%s", h.Name, err, h.Out.Tail(30))
	}
}
