//go:build unix

package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/internal/metricsconfig"
	"github.com/promfold/promfold/mmapstore"
)

// metricsFlag is the flag with the file that corrects families.
type metricsFlag struct{ path string }

func (f *metricsFlag) add(cmd *kingpin.CmdClause) {
	cmd.Flag("metrics.config", "YAML file that sets type, help and mode of families in the files of Python and Ruby clients, "+
		"or drops them. See docs/metrics-config.md.").StringVar(&f.path)
}

// load reads the file. Without one nothing is corrected.
func (f *metricsFlag) load() (mmapstore.Overrides, error) {
	if f.path == "" {
		return nil, nil
	}
	o, err := metricsconfig.Load(f.path)
	if err != nil {
		return nil, fmt.Errorf("--metrics.config: %w", err)
	}
	return o, nil
}

// reader reads the file for a reloader. What it says now holds until apply is called
// with something else.
func (f *metricsFlag) reader(now mmapstore.Overrides, apply func(mmapstore.Overrides)) func() (configuration, error) {
	return func() (configuration, error) {
		next, err := f.load()
		return configuration{what: "families", count: len(next), apply: func() error {
			if !maps.Equal(next, now) {
				apply(next)
				now = next
			}
			return nil
		}}, err
	}
}

// hangups is the SIGHUPs from now on. None ends the process any more, whether or
// not somebody looks at them.
func hangups() <-chan os.Signal {
	c := make(chan os.Signal, 1) // one that comes during a reload asks for another
	signal.Notify(c, syscall.SIGHUP)
	return c
}

// configuration is a file that was read and can be put in force.
type configuration struct {
	what  string // it has entries of, for the log
	count int
	apply func() error
}

// reloader reads the configuration again when it is told to.
type reloader struct {
	log *slog.Logger

	successful prometheus.Gauge
	loaded     prometheus.Gauge

	// mu is held for the length of a reload: what was read last holds.
	mu    sync.Mutex
	files []func() (configuration, error)
}

// newReloader is for a configuration that was just read. Add what reads its files
// before it is shared.
func newReloader(log *slog.Logger) *reloader {
	r := &reloader{
		log: log,
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "promfold_config_last_reload_successful",
			Help: "Whether the files of --metrics.config and --hermes.config could be used when they were last read; 1 if there are none.",
		}),
		loaded: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "promfold_config_last_reload_success_timestamp_seconds",
			Help: "Unix time at which the configuration that is in use was read.",
		}),
	}
	r.successful.Set(1)
	r.loaded.SetToCurrentTime()
	return r
}

// add makes a file part of each reload.
func (r *reloader) add(read func() (configuration, error)) { r.files = append(r.files, read) }

// collectors is the metrics about reloads.
func (r *reloader) collectors() []prometheus.Collector {
	return []prometheus.Collector{r.successful, r.loaded}
}

// reload reads the configuration again. If one file is bad nothing changes, and it is
// logged here.
func (r *reloader) reload() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts, err := r.replace()
	if err != nil {
		r.successful.Set(0)
		r.log.Error("Cannot reload the configuration, the old one holds", "err", err)
		return err
	}
	r.successful.Set(1)
	r.loaded.SetToCurrentTime()
	r.log.Info("Configuration reloaded", counts...)
	return nil
}

// replace puts all files in force once all were read. The counts are for the log.
func (r *reloader) replace() (counts []any, err error) {
	var all []configuration
	for _, read := range r.files {
		c, err := read()
		if err != nil {
			return nil, err
		}
		all = append(all, c)
		counts = append(counts, c.what, c.count)
	}
	for _, c := range all { // before a scrape can say so
		if err := c.apply(); err != nil {
			return nil, err
		}
	}
	return counts, nil
}

// follow reloads at each hang-up until ctx ends.
func (r *reloader) follow(ctx context.Context, hangups <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			_ = r.reload() // it is logged, and seen in the metrics
		}
	}
}

// ServeHTTP reloads for a POST or PUT, as Prometheus does.
func (r *reloader) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodPost && req.Method != http.MethodPut {
		w.Header().Set("Allow", "POST, PUT")
		http.Error(w, "Only POST and PUT requests reload the configuration.", http.StatusMethodNotAllowed)
		return
	}
	if err := r.reload(); err != nil {
		http.Error(w, "Cannot reload the configuration: "+err.Error(), http.StatusInternalServerError)
	}
}

// noLifecycle answers where --no-web.enable-lifecycle is given.
func noLifecycle(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "Lifecycle API is not enabled.", http.StatusForbidden)
}
