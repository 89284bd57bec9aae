//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// archive archives without serving.
type archive struct {
	dirs    dirFlags
	metrics metricsFlag
	once    bool
	timeout time.Duration
}

func addArchive(app *kingpin.Application) runner {
	a := &archive{}
	cmd := app.Command("archive", "Fold the files of dead processes into the archive, without serving anything.")
	a.dirs.add(cmd)
	a.metrics.add(cmd)
	cmd.Flag("once", "Look once and end. Otherwise go on until SIGTERM.").BoolVar(&a.once)
	cmd.Flag("timeout", "With --once: how long to wait for another archiver to let go of a directory.").
		Default("30s").DurationVar(&a.timeout)
	return a.run
}

func (a *archive) run(log *slog.Logger) error {
	hangups := hangups()
	if err := a.dirs.complete(); err != nil {
		return err
	}
	overrides, err := a.metrics.load()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if !a.once {
		a.follow(ctx, overrides, hangups, log)
		return nil
	}
	var errs []error // what fails in one directory may work in the next
	for _, path := range a.dirs.expand() {
		errs = append(errs, a.archiveOnce(ctx, path, overrides, log))
	}
	return errors.Join(errs...)
}

// follow archives until ctx ends.
func (a *archive) follow(ctx context.Context, overrides mmapstore.Overrides, hangups <-chan os.Signal, log *slog.Logger) {
	var running sync.WaitGroup
	var dirs []*directory.Directory
	for _, path := range a.dirs.expand() {
		d, archiver := a.archiver(path, overrides, log)
		dirs = append(dirs, d)
		running.Go(func() {
			defer d.Close()
			_ = archiver.Run(ctx) // nil: it logs its troubles
		})
	}
	reload := newReloader(log)
	reload.add(a.metrics.reader(overrides, func(o mmapstore.Overrides) {
		for _, d := range dirs {
			d.SetOverrides(o)
		}
	}))
	running.Go(func() { reload.follow(ctx, hangups) })
	running.Wait()
}

func (a *archive) archiver(path string, overrides mmapstore.Overrides, log *slog.Logger) (*directory.Directory, *archiver.Archiver) {
	options := a.dirs.options(overrides)
	options.Archiving = true
	d := directory.New(path, options)
	o := a.dirs.archiverOptions()
	o.Logger, o.WarnUnknown, o.LockTimeout = log, true, a.timeout
	o.Progress = terminalProgress(path)
	return d, archiver.New(d, o)
}

func (a *archive) archiveOnce(ctx context.Context, path string, overrides mmapstore.Overrides, log *slog.Logger) error {
	d, archiver := a.archiver(path, overrides, log)
	defer d.Close()
	if err := archiver.Once(ctx); err != nil {
		return err
	}
	s := archiver.Stats()
	fmt.Printf("%s: commits=%d absorbed=%d discarded=%d swept=%d set_aside=%d unknown=%d\n",
		path, s.Commits, s.Absorbed, s.Discarded, s.Swept, s.SetAside, s.Unknown)
	return nil
}
