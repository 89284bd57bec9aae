package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/aggregate"
)

// Reading gives all sources that there are at the moment. They do not change any more.
type Reading interface {
	Read(ctx context.Context) ([]aggregate.Source, error)
}

// SteadyOptions are the choices of NewSteady. The zero value works.
type SteadyOptions struct {
	// Name is that of the reading in logs and in metrics, as the label source.
	Name string
	// Timeout bounds a reading. What came too late is there at the next. Default 5 s.
	Timeout time.Duration
	// MaxStaleness is how old the last good reading may be. Default: any.
	MaxStaleness time.Duration
	// Logger hears of changes for better or worse. Default: slog.Default().
	Logger *slog.Logger
}

// Steady gives the last good reading while there is no other: a scrape goes on while Redis
// is away. It is an exporter.Provider. Goroutines may share it.
type Steady struct {
	o      SteadyOptions
	from   Reading
	health *health

	mu   sync.Mutex // guards the rest, for the length of a reading
	last []aggregate.Source
}

// NewSteady makes a steady reading of another.
func NewSteady(from Reading, o SteadyOptions) *Steady {
	o.Timeout = cmp.Or(o.Timeout, 5*time.Second)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Steady{o: o, from: from, health: &health{log: o.Logger.With("source", o.Name), what: "read from Redis"}}
}

// Sources reads or, if that fails, gives the last good reading. It fails if there is none,
// or if it is too old.
func (s *Steady) Sources(ctx context.Context) ([]aggregate.Source, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reading, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	sources, err := s.from.Read(reading)
	if ctx.Err() != nil {
		return nil, ctx.Err() // nobody waits for it: that says nothing about Redis
	}
	if s.health.note(err) == nil {
		s.last = sources
		return sources, nil
	}
	_, _, good := s.health.state()
	switch age := time.Since(good); {
	case good.IsZero():
		return nil, err
	case s.o.MaxStaleness > 0 && age > s.o.MaxStaleness:
		return nil, errors.Join(fmt.Errorf("%s: last read %v ago", s.o.Name, age.Round(time.Second)), err)
	}
	return s.last, nil
}

// Collectors are metrics about the reading.
func (s *Steady) Collectors() []prometheus.Collector {
	labels := prometheus.Labels{"source": s.o.Name}
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "promfold_redis_up", Help: "Whether the last reading worked.", ConstLabels: labels,
		}, func() float64 {
			if ok, _, _ := s.health.state(); ok {
				return 1
			}
			return 0
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "promfold_redis_state_age_seconds", Help: "How old the reading is that is shown. +Inf if none ever worked.", ConstLabels: labels,
		}, s.age),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "promfold_redis_read_failures_total", Help: "Readings that failed.", ConstLabels: labels,
		}, func() float64 { _, n, _ := s.health.state(); return float64(n) }),
	}
}

// age is that of the last good reading in seconds.
func (s *Steady) age() float64 {
	_, _, good := s.health.state()
	if good.IsZero() {
		return math.Inf(1)
	}
	return time.Since(good).Seconds()
}
