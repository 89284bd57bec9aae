//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// input is the sources that paths on the command line lead to. What cannot be
// read is said on stderr and left out.
type input struct {
	assumeAlive bool
	archives    bool
	overrides   mmapstore.Overrides
	ids         *directory.Identities

	sources []aggregate.Source
	closers []func()
	failed  bool // something was left out
}

func newInput(assumeAlive, archives bool, overrides mmapstore.Overrides) *input {
	return &input{assumeAlive: assumeAlive, archives: archives, overrides: overrides, ids: directory.NewIdentities()}
}

func (in *input) fail(err error) {
	in.failed = true
	fmt.Fprintf(os.Stderr, "promfold: %s\n", oneLine(err))
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
	d := directory.New(path, directory.Options{Identities: in.ids, Overrides: in.overrides})
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
	r, err := mmapstore.Open(path)
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
	in.closers = append(in.closers, func() { _ = r.Close() })
	verdict := r.Probe() // before the contents are read
	if err := r.Refresh(); err != nil {
		in.fail(err) // the rest of the file counts
	}
	in.take(&fileSource{Reader: r, state: verdict.State, identity: r.Header().Identity})
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
	if in.assumeAlive && src.History() == nil {
		m := src.Meta()
		src = &aliveSource{src, in.ids.Assign(m.ID, m.Identity)}
	}
	in.sources = append(in.sources, src)
}

// aliveSource is a process that is taken for alive.
type aliveSource struct {
	aggregate.Source
	identity string
}

func (s *aliveSource) Meta() aggregate.Meta {
	m := s.Source.Meta()
	m.State, m.Identity = mmapstore.Alive, s.identity
	return m
}

// fileSource is a file that was named on the command line.
type fileSource struct {
	*mmapstore.Reader
	state    mmapstore.State
	identity string
}

func (s *fileSource) Meta() aggregate.Meta {
	h := s.Header()
	return aggregate.Meta{
		ID: h.ID, Name: s.Path(), Identity: s.identity, Created: h.Created.UnixNano(), State: s.state,
	}
}

func (s *fileSource) History() *aggregate.History { return nil }
