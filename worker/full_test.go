package worker

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/promfold/promfold/mmapstore"
)

// Series over the cap count on in the process; the file says how many there are,
// and the log says so once.
func TestCap(t *testing.T) {
	var log bytes.Buffer
	s := storeIn(t, WithMaxSeries(2), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	vec := With(s).NewCounterVec(prometheus.CounterOpts{Name: "v"}, []string{"a"})
	for i := range 5 {
		for range 3 {
			vec.WithLabelValues(fmt.Sprint(i)).Inc()
		}
	}
	s.Flush()
	if n := len(readFile(t, s.Path())); n != 2 {
		t.Errorf("%d series in the file", n)
	}
	if v := testutil.ToFloat64(vec.WithLabelValues("4")); v != 3 {
		t.Errorf("over the cap: %v", v)
	}
	r, err := mmapstore.Open(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := r.Dropped(); n != 3 || err != nil || s.Stats().Dropped != 3 {
		t.Errorf("the file counts %d dropped (%v), the store %d", n, err, s.Stats().Dropped)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("log:\n%s", &log)
	}
}

// full is a writer on a file system that has room, or has not.
type full struct {
	writer
	noRoom atomic.Bool
}

func (f *full) AddFamily(m mmapstore.Family) (int, error) {
	if f.noRoom.Load() {
		return 0, syscall.ENOSPC
	}
	return f.writer.AddFamily(m)
}

func (f *full) AddSeries(n int, l mmapstore.Labels, at time.Time) (mmapstore.Slot, error) {
	if f.noRoom.Load() {
		return mmapstore.Slot{}, syscall.ENOSPC
	}
	return f.writer.AddSeries(n, l, at)
}

func (f *full) Delete(s mmapstore.Slot) error {
	if f.noRoom.Load() {
		return syscall.ENOSPC
	}
	return f.writer.Delete(s)
}

func fullStore(t *testing.T) (*Store, *full) {
	s := storeIn(t)
	f := &full{writer: s.writer}
	s.writer = f
	return s, f
}

// Counts made while there is no room are in the file when there is, also those
// made while they move in.
func TestNoRoom(t *testing.T) {
	s, fs := fullStore(t)
	fs.noRoom.Store(true)
	vec := With(s).NewCounterVec(prometheus.CounterOpts{Name: "v"}, []string{"a"})
	gauge := With(s).NewGauge(prometheus.GaugeOpts{Name: "g"})
	gauge.Set(5)
	s.Registerer().MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "f"}, func() float64 { return 7 }))
	vec.WithLabelValues("x") // there before the first of its counts
	var done sync.WaitGroup
	const each = 50_000
	for range 4 {
		done.Go(func() {
			for range each {
				vec.WithLabelValues("x").Inc()
			}
		})
	}
	s.Flush()
	if n := len(readFile(t, s.Path())); n != 0 || s.Stats().Homeless != 3 {
		t.Errorf("%d series in the file, %d homeless", n, s.Stats().Homeless)
	}
	fs.noRoom.Store(false)
	s.Flush()
	done.Wait()
	wantInFile(t, s, `v{a="x"}`, 4*each)
	wantInFile(t, s, "g{}", 5)
	wantInFile(t, s, "f{}", 7)
	if st := s.Stats(); st.Homeless != 0 || st.Dropped != 3 {
		t.Errorf("stats: %+v", st)
	}
}

// A series that cannot be marked deleted for lack of room is marked later, or
// goes on if it was created again meanwhile; it is never there twice.
func TestNoRoomForTombstone(t *testing.T) {
	s, fs := fullStore(t)
	vec := With(s).NewCounterVec(prometheus.CounterOpts{Name: "v"}, []string{"a"})
	gauges := With(s).NewGaugeVec(prometheus.GaugeOpts{Name: "g"}, []string{"a"})
	vec.WithLabelValues("x").Inc()
	vec.WithLabelValues("y").Inc()
	gauges.WithLabelValues("x").Set(1)
	fs.noRoom.Store(true)
	vec.Reset()
	gauges.Reset()
	s.Flush()
	vec.WithLabelValues("x").Inc()
	gauges.WithLabelValues("x").Add(4)
	if v := testutil.ToFloat64(vec); v != 1 {
		t.Errorf("the new life shows %v", v)
	}
	wantInFile(t, s, `v{a="x"}`, 2)
	wantInFile(t, s, `v{a="y"}`, 1)
	wantInFile(t, s, `g{a="x"}`, 4)
	fs.noRoom.Store(false)
	s.Flush()
	wantGone(t, s, `v{a="y"}`)
	wantInFile(t, s, `v{a="x"}`, 2)
	vec.WithLabelValues("y").Inc()
	wantInFile(t, s, `v{a="y"}`, 2)
	if n := len(readFile(t, s.Path())); n != 3 {
		t.Errorf("%d series in the file", n)
	}
}

// Without a file everything counts on in the process, and the default registry
// is left alone.
func TestNoFile(t *testing.T) {
	var log bytes.Buffer
	s, err := New(filepath.Join(t.TempDir(), "missing"), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if err == nil || s.Path() != "" {
		t.Fatalf("error %v, path %q", err, s.Path())
	}
	c := With(s).NewCounter(prometheus.CounterOpts{Name: "no_file_total"})
	c.Inc()
	if testutil.ToFloat64(c) != 1 || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("counted %v, log:\n%s", testutil.ToFloat64(c), &log)
	}
	if n, _ := testutil.GatherAndCount(prometheus.DefaultGatherer, "no_file_total"); n != 0 {
		t.Error("it is in the default registry")
	}
	if n, _ := testutil.GatherAndCount(s.Gatherer(), "no_file_total"); n != 1 {
		t.Error("the store does not show it")
	}
	s.AddGatherer(prometheus.DefaultGatherer)
	s.Flush()
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
}
