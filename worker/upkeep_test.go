package worker

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Snapshots are taken soon after a gatherer was added, and then on the timer,
// with no call from outside.
func TestTimer(t *testing.T) {
	for _, interval := range []time.Duration{time.Millisecond, time.Hour} {
		s := storeIn(t, WithSnapshotInterval(interval))
		gathered := make(chan struct{})
		quit := make(chan struct{})
		s.AddGatherer(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
			select {
			case gathered <- struct{}{}:
			case <-quit:
			}
			return nil, nil
		}))
		<-gathered
		if interval < time.Hour {
			<-gathered
			<-gathered
		}
		close(quit)
	}
}

// Registering, unregistering, counting, snapshots and Close may meet in any
// order; the test is for the race detector, and the file must be whole.
func TestRegisterStorm(t *testing.T) {
	s := storeIn(t, WithSnapshotInterval(time.Millisecond))
	kept := With(s).NewCounter(prometheus.CounterOpts{Name: "kept"})
	outside := prometheus.NewRegistry()
	for i := range 3 {
		o := prometheus.CounterOpts{Name: fmt.Sprintf("c%d", i)}
		outside.MustRegister(prometheus.NewCounterFunc(o, func() float64 { return 1 }))
	}
	s.AddGatherer(outside)
	s.AddGatherer(s.Gatherer())
	var done sync.WaitGroup
	const each = 200
	for g := range 4 {
		done.Go(func() {
			for i := range each {
				kept.Inc()
				o := prometheus.CounterOpts{Name: fmt.Sprintf("c%d", i%3)}
				vec := prometheus.NewCounterVec(o, nil)
				if s.Registerer().Register(vec) == nil {
					vec.WithLabelValues().Inc()
					s.Unregister(vec)
				}
				if g == 0 && i%10 == 0 {
					s.Flush()
				}
			}
		})
	}
	done.Wait()
	wantInFile(t, s, "kept{}", 4*each)
	done.Go(func() { kept.Inc() })
	done.Go(func() { s.Flush() })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	done.Wait()
}
