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
	label    string                 // name of the label with the path, "" for none
	archived func(path string) bool // whether it is for us to archive a directory
	log      *slog.Logger
	exporter *exporter.Exporter
	ids      *directory.Identities
	publish  func(*directory.Directory) // what is served; nil: not

	archivers sync.WaitGroup

	mu        sync.Mutex // guards the rest
	dirs      map[string]*directory.Directory
	overrides mmapstore.Overrides // of all directories, those too that come later
}

// setOverrides corrects families from the next scan of each directory on.
func (f *fleet) setOverrides(o mmapstore.Overrides) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.overrides = o
	for _, d := range f.dirs {
		d.SetOverrides(o)
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
	archive := f.archived(path)
	o := f.flags.options(f.overrides)
	o.Identities, o.Archiving = f.ids, archive
	if f.label != "" {
		o.Labels = []mmapstore.Label{{Name: f.label, Value: path}}
	}
	d := directory.New(path, o)
	f.dirs[path] = d
	m := exporter.Member{Directory: d}
	if archive {
		options := f.flags.archiverOptions()
		options.Logger = f.log
		options.Progress = terminalProgress(path)
		m.Archiver = archiver.New(d, options)
		f.archivers.Go(func() { _ = m.Archiver.Run(ctx) }) // nil: it logs its troubles
	} else {
		f.log.Info("Not archiving a directory, as the flags have it", "dir", path)
	}
	f.exporter.Add(m)
	if f.publish != nil {
		f.publish(d)
	}
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
