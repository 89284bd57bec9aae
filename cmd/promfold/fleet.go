//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/mmapstore"
)

// fleet is the directories that are served and their archivers. It grows as
// globs match more; what was served once stays, since counters must not go down.
type fleet struct {
	flags    *dirFlags
	label    string // name of the label with the path, "" for none
	archive  bool
	log      *slog.Logger
	exporter *exporter.Exporter
	ids      *directory.Identities

	archivers sync.WaitGroup

	mu   sync.Mutex // guards dirs
	dirs map[string]*directory.Directory
}

func newFleet(f *dirFlags, label string, archive bool, e *exporter.Exporter, log *slog.Logger) *fleet {
	return &fleet{
		flags: f, label: label, archive: archive, exporter: e, log: log,
		ids: directory.NewIdentities(), dirs: make(map[string]*directory.Directory),
	}
}

// readable reports whether each directory that exists can be listed: what fails
// at the start is likely a mistake.
func (f *fleet) readable() error {
	for _, path := range f.flags.expand() {
		d, err := os.Open(path)
		if err == nil {
			_, err = d.Readdirnames(1)
			d.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, io.EOF) {
			return fmt.Errorf("cannot read the directory: %w", err)
		}
	}
	return nil
}

// grow takes in what the patterns match by now. Archivers run until ctx ends.
func (f *fleet) grow(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, path := range f.flags.expand() {
		if f.dirs[path] == nil && ctx.Err() == nil {
			f.add(ctx, path)
		}
	}
}

func (f *fleet) add(ctx context.Context, path string) {
	o := directory.Options{ArchiveDir: f.flags.archiveDir, Identities: f.ids, Archiving: f.archive}
	if f.label != "" {
		o.Labels = []mmapstore.Label{{Name: f.label, Value: path}}
	}
	d := directory.New(path, o)
	f.dirs[path] = d
	m := exporter.Member{Directory: d}
	if f.archive {
		options := f.flags.archiverOptions()
		options.Logger = f.log
		m.Archiver = archiver.New(d, options)
		f.archivers.Go(func() { _ = m.Archiver.Run(ctx) }) // nil: it logs its troubles
	}
	f.exporter.Add(m)
}

// watch grows until ctx ends.
func (f *fleet) watch(ctx context.Context) {
	ticker := time.NewTicker(f.flags.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f.grow(ctx)
		}
	}
}

// close waits for the archivers, whose ctx has ended, and lets go of all files.
func (f *fleet) close() {
	f.archivers.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.dirs {
		_ = d.Close() // read only: nothing can be lost
	}
}
