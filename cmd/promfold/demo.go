//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/mmapstore"
)

// demo runs all of promfold on real processes, kills them, and does the
// accounts.
type demo struct {
	address    string
	workers    int
	goroutines int
	batch      int
	length     time.Duration
	killEvery  time.Duration

	dir      *directory.Directory
	archiver *archiver.Archiver
	pool     *pool
	url      string // of the metrics
	client   *http.Client
	audit    audit
}

func addDemo(app *kingpin.Application) runner {
	d := &demo{client: &http.Client{Timeout: 10 * time.Second}}
	cmd := app.Command("demo", "Start workers that count, kill them at random, serve their merged metrics, and check that nothing is lost.")
	cmd.Flag("web.listen-address", "Address on which to expose the metrics.").Default(":9500").StringVar(&d.address)
	cmd.Flag("for", "How long. 0 is until Ctrl-C.").Default("0s").DurationVar(&d.length)
	cmd.Flag("workers", "Worker processes.").Default("4").IntVar(&d.workers)
	cmd.Flag("goroutines", "Goroutines that count in each worker.").Default("2").IntVar(&d.goroutines)
	cmd.Flag("batch", "Increments that a goroutine acknowledges at once.").Default("1").IntVar(&d.batch)
	cmd.Flag("kill-every", "Mean time between two kills. 0 is never.").Default("250ms").DurationVar(&d.killEvery)
	return d.run
}

func (d *demo) complete() error {
	for flag, n := range map[string]int{"workers": d.workers, "goroutines": d.goroutines, "batch": d.batch} {
		if n < 1 || n > 1000 {
			return usageError{fmt.Errorf("--%s=%d: must be from 1 to 1000", flag, n)}
		}
	}
	if d.length < 0 || d.killEvery < 0 {
		return usageError{errors.New("--for and --kill-every must not be below 0")}
	}
	return nil
}

func (d *demo) run(log *slog.Logger) (err error) {
	if err := d.complete(); err != nil {
		return err
	}
	// Workers die with the thread that started them: let it be one that lasts.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	listener, err := net.Listen("tcp", d.address)
	if err != nil {
		return err
	}
	path, err := os.MkdirTemp(sharedMemory(), "promfold-demo-")
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, os.RemoveAll(path)) }()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	d.dir = directory.New(path, directory.Options{Archiving: true})
	defer d.dir.Close()
	d.archiver = archiver.New(d.dir, archiver.Options{Interval: time.Second, Logger: slog.New(quieter{log.Handler()})})
	d.pool = &pool{dir: path, goroutines: d.goroutines, batch: d.batch}
	server, err := d.serve(listener, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	fmt.Printf("Open %s\n%d workers count in %s; about every %v one is killed and replaced.\n",
		d.url, d.workers, path, d.killEvery)
	err = d.live(ctx)
	if stopErr := d.pool.stop(); err != nil || stopErr != nil {
		return errors.Join(err, stopErr)
	}
	return d.settle()
}

// serve begins to answer on the listener.
func (d *demo) serve(l net.Listener, log *slog.Logger) (*http.Server, error) {
	const path = "/metrics"
	e := exporter.New(exporter.Options{
		Members:        []exporter.Member{{Directory: d.dir, Archiver: d.archiver}},
		ProcessMetrics: true,
		Logger:         log,
	})
	site, err := newSite(path, e, nil)
	if err != nil {
		return nil, err
	}
	server := newServer(site, log)
	go func() { _ = server.Serve(l) }() // ends with server.Close; look sees what goes wrong
	d.url = "http://" + dialAddress(l.Addr()) + path
	return server, nil
}

// dialAddress is where to reach a listener from this machine.
func dialAddress(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("localhost:%d", tcp.Port)
	}
	return a.String()
}

// live keeps the workers, the archiver and the audit going until the time is up.
// The archiver has ended when it returns; workers go on.
func (d *demo) live(ctx context.Context) error {
	if d.length > 0 {
		timed, cancel := context.WithTimeout(ctx, d.length)
		defer cancel()
		ctx = timed
	}
	ctx, cancel := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer background.Wait()
	defer cancel()
	background.Go(func() { _ = d.archiver.Run(ctx) }) // nil: it logs its troubles
	background.Go(func() { d.watch(ctx) })
	for range d.workers {
		if err := d.pool.start(); err != nil {
			return err
		}
	}
	return d.harass(ctx)
}

// harass kills and replaces workers until ctx ends.
func (d *demo) harass(ctx context.Context) error {
	for {
		var next <-chan time.Time
		if d.killEvery > 0 {
			next = time.After(rand.N(2 * d.killEvery))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-next:
		}
		if err := d.pool.kill(rand.IntN(d.workers)); err != nil {
			return err
		}
		if err := d.pool.start(); err != nil {
			return err
		}
	}
}

// watch scrapes until ctx ends, and tells on a terminal how it goes.
func (d *demo) watch(ctx context.Context) {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	terminal := isTerminal(os.Stdout)
	for {
		select {
		case <-ctx.Done():
			if terminal {
				fmt.Println()
			}
			return
		case <-ticker.C:
		}
		s := d.scrape()
		if terminal {
			fmt.Printf("\r\x1b[K%d workers, %d killed, %d archived, %d increments",
				d.workers, d.pool.killed.Load(), d.archiver.Stats().Absorbed, s.requests)
		}
	}
}

// scrape looks once and judges what it sees. One goroutine does so at a time.
func (d *demo) scrape() sight {
	batches := d.pool.batches.Load()
	s, err := look(d.client, d.url)
	if err != nil {
		d.audit.fault("%w", err)
		return s
	}
	d.audit.take(s, batches*uint64(d.batch), batches)
	return s
}

// isTerminal: a character device is near enough, since it decides about looks
// only.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// settle archives what is left when all workers are gone, and does the accounts.
func (d *demo) settle() error {
	before := d.scrape()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := d.archiver.Once(ctx); err != nil {
		return err
	}
	after := d.scrape()
	l := ledger{
		acknowledged: d.pool.acknowledged(),
		exposed:      after.requests,
		bound:        d.pool.bound(),
		killed:       d.pool.killed.Load(),
		archived:     d.archiver.Stats().Absorbed,
		files:        countFiles(d.dir.Path()),
	}
	d.judge(&l, before, after)
	fmt.Println(&l)
	return errors.Join(d.audit.faults...)
}

// judge adds to the audit's faults what is wrong with the accounts.
func (d *demo) judge(l *ledger, before, after sight) {
	if !l.balanced() {
		d.audit.fault("the ledger does not balance")
	}
	batches := d.pool.batches.Load()
	if most := batches + l.bound/uint64(d.batch); after.batches > most {
		d.audit.fault("%d durations exposed, of at most %d", after.batches, most)
	}
	if before != after {
		d.audit.fault("archiving all changed what is exposed from %+v to %+v", before, after)
	}
	if l.files > 0 {
		d.audit.fault("%d files of the dead are not archived", l.files)
	}
}

func countFiles(dir string) int {
	entries, _ := os.ReadDir(dir) // none is what a ledger wants anyway
	n := 0
	for _, e := range entries {
		if mmapstore.IsFileName(e.Name()) {
			n++
		}
	}
	return n
}

// quieter leaves out what is not a warning.
type quieter struct{ slog.Handler }

func (q quieter) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && q.Handler.Enabled(ctx, l)
}

func (q quieter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quieter{q.Handler.WithAttrs(attrs)}
}

func (q quieter) WithGroup(name string) slog.Handler { return quieter{q.Handler.WithGroup(name)} }
