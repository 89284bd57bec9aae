//go:build unix

package directory

import "github.com/promfold/promfold/aggregate"

// Rest is the file as a source that goes on with what is left of it, where somebody
// has cut it off: what is lost counts as nothing. Files of stock clients are as they
// are.
func (f *File) Rest() aggregate.Source { return rest{f} }

type rest struct{ *File }

// Load implements aggregate.Source.
func (f rest) Load(dst []uint64) error {
	if p, ok := f.file.process.(native); ok {
		return p.LoadRest(dst)
	}
	return f.File.Load(dst)
}
