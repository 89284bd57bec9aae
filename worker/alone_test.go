package worker

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// aloneStore opens a store with no directory, beside a default registry of the
// test's own.
func aloneStore(t *testing.T, before func(Factory)) (*Store, *prometheus.Registry) {
	t.Helper()
	t.Setenv("PROMETHEUS_MULTIPROC_DIR", "")
	t.Setenv("prometheus_multiproc_dir", "")
	r := prometheus.NewRegistry()
	old := prometheus.DefaultRegisterer
	prometheus.DefaultRegisterer = r
	t.Cleanup(func() { prometheus.DefaultRegisterer = old })
	s := newStore()
	before(With(s))
	if err := s.open("", nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, r
}

func scrape(r *prometheus.Registry) string {
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// With no directory a plain handler shows all metrics, whether they were made
// before or after Open, or registered by others.
func TestAlone(t *testing.T) {
	var early prometheus.Counter
	s, r := aloneStore(t, func(f Factory) {
		early = f.NewCounter(prometheus.CounterOpts{Name: "early_total"})
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: "func"}, func() float64 { return 4 })
		early.Inc()
	})
	early.Inc()
	vec := With(s).WithMode(Latest).NewGaugeVec(prometheus.GaugeOpts{Name: "late"}, []string{"a"})
	vec.WithLabelValues("x").Set(3)
	third := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "third_total"}, []string{"a"})
	s.Registerer().MustRegister(third)
	third.WithLabelValues("x").Inc()
	s.AddGatherer(r)
	s.Flush()
	text := scrape(r)
	for _, want := range []string{"early_total 2\n", "func 4\n", "late{a=\"x\"} 3\n", "third_total{a=\"x\"} 1\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	vec.Reset()
	s.Unregister(early)
	if text := scrape(r); strings.Contains(text, "late") || strings.Contains(text, "early") {
		t.Errorf("still there:\n%s", text)
	}
}

// What the default registry has already is no error for a collector of the
// runtime, and one for a metric.
func TestAloneAlreadyThere(t *testing.T) {
	s, r := aloneStore(t, func(Factory) {})
	r.MustRegister(collectors.NewGoCollector())
	if err := s.Registerer().Register(collectors.NewGoCollector()); err != nil {
		t.Error(err)
	}
	r.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "taken"}))
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "taken"})
	for range 2 { // a refusal leaves nothing behind
		if err := s.Registerer().Register(c); err == nil {
			t.Error("taken twice")
		} else if are, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); !ok || are.ExistingCollector == nil {
			t.Error(err)
		}
	}
}

// The directory of the environment is used, the name in capitals first.
func TestEnvironment(t *testing.T) {
	upper, lower := t.TempDir(), t.TempDir()
	t.Setenv("PROMETHEUS_MULTIPROC_DIR", upper)
	t.Setenv("prometheus_multiproc_dir", lower)
	for _, want := range []string{upper, lower} {
		s, err := New("", WithIdentity("me"), WithFileMode(0o600))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(s.Path(), want+"/") {
			t.Errorf("file %s, want it in %s", s.Path(), want)
		}
		s.Close()
		t.Setenv("PROMETHEUS_MULTIPROC_DIR", "")
	}
}
