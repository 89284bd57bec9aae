package stock

import (
	"errors"
	"fmt"

	"github.com/promfold/promfold/mmapstore"
)

// Format is what the files of one client have of their own. A reader owns it and
// calls its methods one at a time.
type Format interface {
	// Frame says how the length of an entry's key is to be understood.
	Frame() Frame
	// Decode takes a key apart into k, which comes empty. ErrKey means that these
	// bytes are no key at all, so that the file is damaged from here on; after
	// another error this entry alone is left out. The slices in k may be parts of
	// key, and are used only until the next call.
	Decode(key []byte, k *Key) error
	// Kind tells those files apart of which Decode or Traits say other things, the
	// process aside. It is comparable, and may change with the first key.
	Kind() any
	// Traits are what name and keys tell of the file. All may change with the
	// first key that is decoded, none thereafter.
	Traits() Traits
}

// ErrKey means that bytes are no key of the client.
var ErrKey = fmt.Errorf("not a key: %w", mmapstore.ErrMalformed)

// ErrRedone means that the series were laid out anew since the schema was taken
// for whose values was asked.
var ErrRedone = errors.New("the series were laid out anew")

// Frame is how an entry is framed.
type Frame uint8

// The frames. Either way the value begins at a multiple of 8, and 1 to 8 spaces
// are before it.
const (
	PaddingApart  Frame = iota // the length of a key does not count the spaces
	PaddingWithin              // it does, and they are part of what is decoded
)

// Part is what a value is within its family.
type Part uint8

// The parts.
const (
	Value  Part = iota
	Sum         // of a histogram or summary
	Count       // of a summary; a histogram's is derived from its buckets
	Bucket      // of a histogram, with its upper bound as Mark
)

// Key is an entry's key, taken apart.
type Key struct {
	Family []byte
	Help   []byte
	Helped bool // the key has a help, which may be empty
	Part   Part
	// Labels in any order, without Mark.
	Labels []mmapstore.LabelBytes
	// Mark is the label that tells the part of a histogram or summary, le or
	// quantile, and its value. Without a name, there is none.
	MarkName string
	Mark     []byte
}

// Traits tell about a file what is not in its entries.
type Traits struct {
	// Identity of the process, the value of the label pid; PID 0 if it names none.
	Identity string
	PID      int
	// Foreign: the file is an archive that another program maintains.
	Foreign bool
	// Type and Mode of the families. With Type 0 the parts of the keys tell.
	Type mmapstore.Type
	Mode mmapstore.Mode
	// Cumulative: buckets count what is in the ones below, too.
	Cumulative bool
	// Sparse: a bucket is there only once something was observed in it.
	Sparse bool
	// Timed: behind each value may lie the time of its last set.
	Timed bool
	// UnsetAtZero: a gauge with time 0 was never set.
	UnsetAtZero bool
	// Time makes Unix nanoseconds of a time in the file; nil: there is none.
	Time func(float64) int64
}
