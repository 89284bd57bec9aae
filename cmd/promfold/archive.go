//go:build unix

package main

import (
	"context"
	"fmt"
	"log/slog"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
)

// archive archives without serving.
type archive struct {
	dirs    dirFlags
	once    bool
	timeout time.Duration
}

func addArchive(app *kingpin.Application) runner {
	a := &archive{}
	cmd := app.Command("archive", "Fold the files of dead processes into the archive, without serving anything.")
	a.dirs.add(cmd)
	cmd.Flag("once", "Look once and end. Otherwise go on until SIGTERM.").BoolVar(&a.once)
	cmd.Flag("timeout", "With --once: how long to wait for another archiver to let go of a directory.").
		Default("30s").DurationVar(&a.timeout)
	return a.run
}

func (a *archive) run(log *slog.Logger) error {
	if err := a.dirs.complete(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	paths := a.dirs.expand()
	if a.once {
		for _, path := range paths {
			if err := a.archiveOnce(ctx, path, log); err != nil {
				return err
			}
		}
		return nil
	}
	var running sync.WaitGroup
	for _, path := range paths {
		d, archiver := a.archiver(path, log)
		running.Go(func() {
			defer d.Close()
			_ = archiver.Run(ctx) // nil: it logs its troubles
		})
	}
	running.Wait()
	return nil
}

func (a *archive) archiver(path string, log *slog.Logger) (*directory.Directory, *archiver.Archiver) {
	d := directory.New(path, directory.Options{ArchiveDir: a.dirs.archiveDir, Archiving: true})
	o := a.dirs.archiverOptions()
	o.Logger = log
	return d, archiver.New(d, o)
}

func (a *archive) archiveOnce(ctx context.Context, path string, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	d, archiver := a.archiver(path, log)
	defer d.Close()
	if err := archiver.Once(ctx); err != nil {
		return err
	}
	s := archiver.Stats()
	fmt.Printf("%s: commits=%d absorbed=%d swept=%d set_aside=%d\n", path, s.Commits, s.Absorbed, s.Swept, s.SetAside)
	return nil
}
