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

// hangups is the SIGHUPs from now on. None ends the process any more, whether or
// not somebody looks at them.
func hangups() <-chan os.Signal {
	c := make(chan os.Signal, 1) // one that comes during a reload asks for another
	signal.Notify(c, syscall.SIGHUP)
	return c
}

// reloader reads the configuration again when it is told to.
type reloader struct {
	flag  metricsFlag
	apply func(mmapstore.Overrides) // takes what has changed
	log   *slog.Logger

	successful prometheus.Gauge
	loaded     prometheus.Gauge

	// mu is held for the length of a reload: what was read last holds.
	mu  sync.Mutex
	now mmapstore.Overrides
}

// newReloader reads the configuration for the first time. Set apply before it is
// shared.
func newReloader(flag metricsFlag, log *slog.Logger) (*reloader, error) {
	r := &reloader{
		flag: flag, log: log,
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "promfold_config_last_reload_successful",
			Help: "Whether the file of --metrics.config could be used when it was last read; 1 if there is none.",
		}),
		loaded: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "promfold_config_last_reload_success_timestamp_seconds",
			Help: "Unix time at which the configuration that is in use was read.",
		}),
	}
	now, err := flag.load()
	if err != nil {
		return nil, err
	}
	r.now = now
	r.successful.Set(1)
	r.loaded.SetToCurrentTime()
	return r, nil
}

// collectors is the metrics about reloads.
func (r *reloader) collectors() []prometheus.Collector {
	return []prometheus.Collector{r.successful, r.loaded}
}

// reload reads the configuration again. One that is bad changes nothing, and is
// logged here.
func (r *reloader) reload() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next, err := r.flag.load()
	if err != nil {
		r.successful.Set(0)
		r.log.Error("Cannot reload the configuration, the old one holds", "err", err)
		return err
	}
	if !maps.Equal(next, r.now) {
		r.apply(next) // before a scrape can say so
		r.now = next
	}
	r.successful.Set(1)
	r.loaded.SetToCurrentTime()
	r.log.Info("Configuration reloaded", "families", len(next))
	return nil
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
