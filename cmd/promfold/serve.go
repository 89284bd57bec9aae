//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/internal/sys"
	"github.com/promfold/promfold/mmapstore"
)

// serve is the default command: exporter and archiver of the directories.
type serve struct {
	dirs     dirFlags
	metrics  metricsFlag
	hermes   hermesFlags
	redis    redisFlags
	label    string
	archive  bool
	excludes excludes

	web            *web.FlagConfig
	path           string
	lifecycle      bool
	withoutProcess bool
	linger         time.Duration
}

func addServe(app *kingpin.Application, logConfig *promslog.Config) runner {
	s := &serve{}
	cmd := app.Command("serve", "Serve the merged metrics of multiprocess directories, and archive the dead. The default command.").Default()
	s.dirs.add(cmd)
	s.metrics.add(cmd)
	cmd.Flag("multiproc.dir-label", "Add a label of this name, with the path of the directory, to every series. "+
		"Without it several directories are merged into one.").StringVar(&s.label)
	cmd.Flag("archive", "Fold the files of dead processes into the archive. "+
		"Switch it off where another promfold does it, or the directory is read-only.").Default("true").BoolVar(&s.archive)
	s.excludes.add(cmd)
	s.web = kingpinflag.AddFlags(cmd, ":9500")
	s.hermes.add(cmd)
	s.redis.add(cmd)
	s.hermes.env.watch(app, cmd, s.web.WebListenAddresses, logConfig.Level)
	cmd.Flag("web.telemetry-path", "Path under which metrics are exposed.").Default("/metrics").StringVar(&s.path)
	cmd.Flag("web.enable-lifecycle", "Let POST and PUT /-/reload read the files of --metrics.config and --hermes.config again, as SIGHUP does. "+
		"Nothing else can be done over HTTP.").Default("true").BoolVar(&s.lifecycle)
	cmd.Flag("web.disable-exporter-metrics", "Leave out the metrics about this process (promfold_go_*, promfold_process_*, "+
		"promfold_promhttp_*). Those about directories and merges are always there.").
		BoolVar(&s.withoutProcess)
	cmd.Flag("web.linger", "After SIGTERM serve until one more scrape was answered, or this long.").
		Default("0s").DurationVar(&s.linger)
	return s.run
}

func (s *serve) complete() error {
	if err := s.hermes.complete(&s.dirs); err != nil {
		return err
	}
	if err := s.redis.complete(); err != nil {
		return err
	}
	s.dirs.optional = s.redis.reads()
	if err := s.dirs.complete(); err != nil {
		return err
	}
	if err := s.excludes.complete(&s.dirs); err != nil {
		return err
	}
	if err := checkLabel("--multiproc.dir-label", s.label); err != nil {
		return err
	}
	unclean := strings.TrimSuffix(s.path, "/") != strings.TrimSuffix(path.Clean(s.path), "/") // no request has it
	if !strings.HasPrefix(s.path, "/") || strings.ContainsAny(s.path, " {}") || unclean {
		return usageError{fmt.Errorf("--web.telemetry-path=%q: must begin with / and have no space, brace or empty part", s.path)}
	}
	if s.linger < 0 {
		return usageError{fmt.Errorf("--web.linger=%v: must not be below 0", s.linger)}
	}
	if err := web.Validate(*s.web.WebConfigFile); err != nil {
		return fmt.Errorf("--web.config.file=%q: %w", *s.web.WebConfigFile, err)
	}
	return nil
}

// fleet is the directories, corrected by overrides until others are read.
func (s *serve) fleet(o mmapstore.Overrides, e *exporter.Exporter, log *slog.Logger) *fleet {
	return &fleet{
		flags: &s.dirs, label: s.label, exporter: e, log: log,
		archived: func(path string) bool { return s.archive && !s.excludes.cover(path) },
		ids:      directory.NewIdentities(), dirs: make(map[string]*directory.Directory), overrides: o,
	}
}

func (s *serve) run(log *slog.Logger) error {
	hangups := hangups()
	if err := s.complete(); err != nil {
		return err
	}
	log.Info("Starting promfold", "version", version.Info())
	sys.ReserveDescriptors(expectedFiles) // before datagrams come, as it may wait
	overrides, err := s.metrics.load()
	if err != nil {
		return err
	}
	store, err := s.redis.open(log)
	if err != nil {
		return err
	}
	listener, err := s.hermes.listen(&s.dirs, s.label, overrides, log) // nil if nobody asks for one
	if err != nil {
		return err
	}
	reload := newReloader(log)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	e := exporter.New(exporter.Options{
		DirectoryLabel: s.label, ProcessMetrics: !s.withoutProcess, Logger: log,
		Providers:  store.providers(),
		Collectors: slices.Concat(reload.collectors(), listener.collectors(), store.collectors()),
	})
	f := s.fleet(overrides, e, log)
	f.publish = store.publish
	if listener != nil {
		reload.add(listener.read) // first, as it alone may fail to be put in force
	}
	reload.add(s.metrics.reader(overrides, f.setOverrides))
	if err := f.readable(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var background sync.WaitGroup
	defer f.close()
	defer store.close() // when nobody archives or serves any more
	defer background.Wait()
	defer cancel()
	f.grow(ctx)
	background.Go(func() { f.watch(ctx) })
	background.Go(func() { store.run(ctx) })
	background.Go(func() { reload.follow(ctx, hangups) })
	if listener != nil {
		background.Go(func() { listener.run(ctx) })
	}

	return s.answer(ctx, f, e, reload, signals, log)
}

// answer serves until a signal comes, and somewhat longer.
func (s *serve) answer(ctx context.Context, f *fleet, e *exporter.Exporter, reload *reloader, signals chan os.Signal, log *slog.Logger) error {
	site, last, err := s.site(ctx, f, e, reload)
	if err != nil {
		return err
	}
	server := newServer(site, log)
	served := make(chan error, 1)
	go func() { served <- web.ListenAndServe(server, s.web, log) }()
	select {
	case err := <-served:
		return err
	case got := <-signals:
		last.ask() // before anybody can know that we stop, and scrape for that
		log.Info("Stopping", "signal", got, "linger", s.linger)
	}
	s.awaitLast(last, signals, served)
	signal.Stop(signals) // one more ends us at once
	return shutdown(server, served)
}

// site is what is served until ctx ends, and in it the scrapes.
func (s *serve) site(ctx context.Context, f *fleet, e *exporter.Exporter, reload *reloader) (http.Handler, *lastScrape, error) {
	tidy := relaxed()
	last := newLastScrape(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.grow(ctx)
		e.ServeHTTP(w, r)
		tidy()
	}))
	site, err := newSite(s.path, last, s.lifecycleAPI(reload))
	return site, last, err
}

// expectedFiles is for how many files of processes there is a place in the kernel's
// table of descriptors from the start. More cost the scrape that finds them a wait.
const expectedFiles = 8192

// relaxed makes garbage collection rare until the first scrape was answered, which is
// when to call tidy: it reads all that there is, and nearly all of that stays.
func relaxed() (tidy func()) {
	percent := debug.SetGCPercent(400)
	if percent != 100 { // somebody knows better
		debug.SetGCPercent(percent)
	}
	return sync.OnceFunc(func() { debug.SetGCPercent(percent) })
}

// lifecycleAPI is what answers for /-/reload.
func (s *serve) lifecycleAPI(r *reloader) http.Handler {
	if !s.lifecycle {
		return http.HandlerFunc(noLifecycle)
	}
	return r
}

// awaitLast lingers: the last counts of an application that ends with us are
// still to be scraped.
func (s *serve) awaitLast(last *lastScrape, signals <-chan os.Signal, served chan error) {
	if s.linger == 0 {
		return
	}
	timeout := time.NewTimer(s.linger)
	defer timeout.Stop()
	select {
	case <-last.seen:
	case <-timeout.C:
	case <-signals:
	case err := <-served:
		served <- err // for shutdown
	}
}

// shutdownTimeout bounds how long the last answers may take.
const shutdownTimeout = 10 * time.Second

// shutdown lets the answers under way finish and waits for the server.
func shutdown(server *http.Server, served <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close() // cuts off who is too slow
	}
	if err := <-served; err != nil && !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
