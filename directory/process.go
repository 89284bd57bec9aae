//go:build unix

package directory

import (
	"os"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// process is the file of a process, of whichever client.
type process interface {
	// id tells the file apart for as long as we know it.
	id() mmapstore.ID
	// owner is the same for all files of one process, which share an identity.
	owner() mmapstore.ID
	// identity is the value of the label pid that the process asks for.
	identity() string
	// born is when the file was made, in Unix nanoseconds.
	born() int64
	// inode is the file's, if its id is not written in it.
	inode() aggregate.Inode
	// probe asks whether a writer lives. What the file holds must be read after it.
	probe() mmapstore.Verdict
	// refresh reads what was appended. The error is what is damaged.
	refresh() error
	// dropped is how many series found no place in the file.
	dropped() uint64

	File() *os.File
	Schema() mmapstore.Schema
	Load(dst []uint64) error
	Close() error
}

// native is a file of package worker. Once dead, it stays so: nobody takes it up.
type native struct{ *mmapstore.Reader }

func openNative(path string) (process, error) {
	r, err := mmapstore.Open(path)
	if err != nil {
		return nil, err
	}
	return native{r}, nil
}

func (p native) id() mmapstore.ID         { return p.Header().ID }
func (p native) owner() mmapstore.ID      { return p.Header().ID }
func (p native) identity() string         { return p.Header().Identity }
func (p native) born() int64              { return p.Header().Created.UnixNano() }
func (p native) inode() aggregate.Inode   { return aggregate.Inode{} }
func (p native) probe() mmapstore.Verdict { return p.Probe() }
func (p native) refresh() error           { return p.Refresh() }

func (p native) dropped() uint64 {
	n, err := p.Dropped()
	if err != nil {
		return 0
	}
	return n
}

// probePace is how often those are probed whose liveness changes no value: the
// lease of which a probe consists makes a writer's open wait for a moment.
const probePace = 5 * time.Second
