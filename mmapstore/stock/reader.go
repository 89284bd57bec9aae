//go:build unix

package stock

import (
	"errors"
	"os"

	"github.com/promfold/promfold/mmapstore"
)

// Options of a reader. The zero value works.
type Options struct {
	// Overrides are what the operator says about families.
	Overrides mmapstore.Overrides
}

// Reader reads the file of some process that uses a stock client. Its methods
// may be called by several goroutines at once.
type Reader struct {
	f *os.File
}

var errStub = errors.New("not there yet")

// Refresh picks up what was appended since the last call.
func (r *Reader) Refresh() error { return errStub }

// Schema is what was parsed up to the last Refresh.
func (r *Reader) Schema() mmapstore.Schema { return mmapstore.Schema{SumWords: 1} }

// Load fills dst with the values of the moment.
func (r *Reader) Load([]uint64) error { return errStub }

// SetOverrides takes effect at the next Refresh.
func (r *Reader) SetOverrides(mmapstore.Overrides) {}

// Identity is the value of the label pid, valid after Refresh.
func (r *Reader) Identity() string { return "" }

// PID is the process that the identity names, 0 where it names none.
func (r *Reader) PID() int { return 0 }

// Foreign reports whether the file is the archive of another program.
func (r *Reader) Foreign() bool { return false }

// LiveOnly reports whether nothing in the file outlives its process.
func (r *Reader) LiveOnly() bool { return false }

// Empty reports whether no entry was ever written.
func (r *Reader) Empty() bool { return true }

// File is the descriptor under which the file is read, for probes of liveness.
func (r *Reader) File() *os.File { return r.f }

// Path is the name under which the file was opened.
func (r *Reader) Path() string { return r.f.Name() }

// ParsedBytes is how much of the file was parsed since Open.
func (r *Reader) ParsedBytes() int64 { return 0 }

// Probe asks whether the writer of the file lives.
func (r *Reader) Probe(bool) mmapstore.Verdict { return mmapstore.Verdict{} }

// Close closes the file.
func (r *Reader) Close() error { return r.f.Close() }

// Open opens the file at path.
func Open(path string, _ Options) (*Reader, error) {
	f, _, err := mmapstore.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	return &Reader{f: f}, nil
}
