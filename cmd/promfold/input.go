//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// input is the sources that paths on the command line lead to. What cannot be
// read is said on errors and left out.
type input struct {
	assumeAlive bool
	archives    bool
	overrides   mmapstore.Overrides
	ids         *directory.Identities
	errors      io.Writer

	sources []aggregate.Source
	closers []func()
	failed  bool // something was left out
}

func newInput(assumeAlive, archives bool, overrides mmapstore.Overrides) *input {
	return &input{
		assumeAlive: assumeAlive, archives: archives, overrides: overrides, ids: directory.NewIdentities(), errors: os.Stderr,
	}
}

func (in *input) options() directory.Options {
	return directory.Options{Identities: in.ids, Overrides: in.overrides, Once: true}
}

func (in *input) fail(err error) {
	in.failed = true
	_, _ = fmt.Fprintf(in.errors, "promfold: %s\n", oneLine(err))
}

func (in *input) close() {
	for _, c := range in.closers {
		c()
	}
}

func (in *input) add(ctx context.Context, path string) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		in.fail(err)
	case info.IsDir():
		in.addDirectory(ctx, path)
	default:
		in.addFile(path)
	}
}

func (in *input) addDirectory(ctx context.Context, path string) {
	d := directory.New(path, in.options())
	in.closers = append(in.closers, func() { _ = d.Close() })
	v, err := d.Scan(ctx)
	if err != nil {
		in.fail(err)
		return
	}
	in.closers = append(in.closers, v.Close)
	for _, p := range v.Problems {
		in.fail(named(p))
	}
	for _, src := range v.Sources() {
		if src.History() == nil || in.archives {
			in.take(src)
		}
	}
}

// named is the error of a problem, which as a rule names the file already.
func named(p directory.Problem) error {
	if strings.Contains(p.Err.Error(), p.Path) {
		return p.Err
	}
	return fmt.Errorf("%s: %w", p.Path, p.Err)
}

// addFile adds the file of a process, or an archive.
func (in *input) addFile(path string) {
	f, err := directory.OpenFile(path, in.options())
	if errors.Is(err, mmapstore.ErrNotNative) {
		if a, archiveErr := directory.ReadArchive(path); !errors.Is(archiveErr, mmapstore.ErrNotNative) {
			in.addArchive(path, a, archiveErr)
			return
		}
	}
	if err != nil {
		in.fail(err)
		return
	}
	in.closers = append(in.closers, f.Close)
	if err := f.Damage(); err != nil {
		in.fail(err) // the rest of the file counts
	}
	in.take(f)
}

func (in *input) addArchive(path string, a *aggregate.Archive, err error) {
	if err != nil {
		in.fail(err)
		return
	}
	in.take(a.Source(filepath.Clean(path), nil))
}

// take adds a source as the flags have it.
func (in *input) take(src aggregate.Source) {
	if f, ok := src.(*directory.File); ok && in.assumeAlive {
		src = &aliveSource{f, in.ids.Assign(f.Owner(), f.Meta().Identity)}
	}
	in.sources = append(in.sources, src)
}

// aliveSource is a process that is taken for alive.
type aliveSource struct {
	*directory.File
	identity string
}

func (s *aliveSource) Meta() aggregate.Meta {
	m := s.File.Meta()
	m.State, m.Identity = mmapstore.Alive, s.identity
	return m
}
