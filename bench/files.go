//go:build linux

package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
)

// fileSet is files of many processes in one directory.
type fileSet struct {
	dir    string
	layout *layout
	models []*model // process p has the model p modulo how many there are
	// shuffled: each process made its children in another order.
	shuffled bool

	images map[int][]*image   // by model, or by process if shuffled
	held   map[int][]*os.File // of the living, by process: who has a file open lives
}

// firstPID is that of process 0. It must be no label of a living process.
const firstPID = 5_000_000

func pidOf(process int) string { return strconv.Itoa(firstPID + process) }

func newFileSet(dir string, l *layout, models ...*model) *fileSet {
	return &fileSet{dir: dir, layout: l, models: models, images: make(map[int][]*image), held: make(map[int][]*os.File)}
}

func (s *fileSet) imagesOf(process int) []*image {
	key := process % len(s.models)
	var shuffle *rand.Rand
	if s.shuffled {
		key, shuffle = process, rand.New(rand.NewPCG(1, uint64(process))) //nolint:gosec // G404: an order that repeats
	}
	if s.images[key] == nil {
		s.images[key] = s.layout.images(s.models[process%len(s.models)], shuffle)
	}
	return s.images[key]
}

// live makes the files of processes from one number up to another, and holds them
// open as they would.
func (s *fileSet) live(from, to int) error { return s.make(from, to, true) }

// dead makes the files that processes left.
func (s *fileSet) dead(from, to int) error { return s.make(from, to, false) }

func (s *fileSet) make(from, to int, live bool) error {
	for p := from; p < to; p++ {
		for _, i := range s.imagesOf(p) {
			f, err := os.OpenFile(filepath.Join(s.dir, s.layout.name(i.prefix, pidOf(p))), os.O_RDWR|os.O_CREATE, 0o600)
			if err != nil {
				return err
			}
			if err := i.write(f, moment{process: p}); err != nil {
				return errors.Join(err, f.Close())
			}
			if !live {
				if err := f.Close(); err != nil {
					return err
				}
				continue
			}
			s.held[p] = append(s.held[p], f)
		}
	}
	return nil
}

// change gives all values of the living another round.
func (s *fileSet) change(round int) error {
	for p, files := range s.held {
		for n, i := range s.imagesOf(p) {
			if err := i.write(files[n], moment{p, round}); err != nil {
				return err
			}
		}
	}
	return nil
}

// files is how many the living have.
func (s *fileSet) files() int {
	n := 0
	for _, files := range s.held {
		n += len(files)
	}
	return n
}

// Close ends the living.
func (s *fileSet) Close() error {
	var errs []error
	for _, files := range s.held {
		for _, f := range files {
			errs = append(errs, f.Close())
		}
	}
	clear(s.held)
	return errors.Join(errs...)
}
