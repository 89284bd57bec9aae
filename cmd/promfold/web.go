//go:build unix

package main

import (
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"
)

// newSite is what is served: metrics at path, health, reloads unless that is
// nil, and a page that leads there.
func newSite(path string, metrics, reload http.Handler) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.Handle(path, metrics)
	for _, p := range []string{"/-/healthy", "/-/ready"} {
		if p != path {
			mux.HandleFunc(p, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "OK\n") })
		}
	}
	if reload != nil && path != "/-/reload" {
		mux.Handle("/-/reload", reload)
	}
	if path == "/" {
		return mux, nil
	}
	landing, err := web.NewLandingPage(web.LandingConfig{
		Name:        "promfold",
		Description: "The metrics of many processes, folded into one target",
		Version:     version.Info(),
		Profiling:   "false",
		Links: []web.LandingLinks{
			{Address: path, Text: "Metrics"},
			{Address: "/-/healthy", Text: "Healthy"},
			{Address: "/-/ready", Text: "Ready"},
		},
	})
	if err != nil {
		return nil, err
	}
	mux.Handle("/", landing)
	return mux, nil
}

// answerTimeout bounds a request and its answer: a client that sends the half of a
// request, or takes no more of an answer, would keep both for good. No Prometheus
// waits that long.
const answerTimeout = 5 * time.Minute

// newServer is an HTTP server with bounds for idle, slow and stuck clients.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       answerTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       5 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// lastScrape tells when a scrape was answered that began after ask.
type lastScrape struct {
	next  http.Handler
	asked atomic.Bool
	once  sync.Once
	seen  chan struct{} // closed when it was
}

func newLastScrape(next http.Handler) *lastScrape {
	return &lastScrape{next: next, seen: make(chan struct{})}
}

func (l *lastScrape) ask() { l.asked.Store(true) }

func (l *lastScrape) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	counts := l.asked.Load()
	s := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	l.next.ServeHTTP(s, r)
	if counts && s.status == http.StatusOK && r.Context().Err() == nil {
		l.once.Do(func() { close(l.seen) })
	}
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (s *statusWriter) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}
