package stock

import (
	"errors"
	"fmt"

	"github.com/promfold/promfold/mmapstore"
)

// damage is a place in the file and what is wrong there.
type damage struct {
	off int64
	err error
}

// damages are places of which the first are spelled out, and the others counted:
// one bad file must not fill our memory, nor the log.
type damages struct {
	first []damage
	more  int
}

// maxSpelled is how many places are spelled out.
const maxSpelled = 10

// errAgain marks an error that was said before of another entry, in other words.
var errAgain = errors.New("said before")

func (d *damages) add(off int64, err error) {
	if len(d.first) >= maxSpelled || errors.Is(err, errAgain) {
		d.more++
		return
	}
	d.first = append(d.first, damage{off, err})
}

// none reports whether nothing was added.
func (d *damages) none() bool { return len(d.first) == 0 && d.more == 0 }

// joined is what is wrong with the file at path: the places, and where reading
// stopped, if it did.
func joined(path string, entries, series *damages, tail damage) error {
	var errs []error
	more := entries.more + series.more
	say := func(d damage) { errs = append(errs, &mmapstore.CorruptError{Path: path, Offset: d.off, Err: d.err}) }
	for _, list := range [][]damage{entries.first, series.first} {
		for _, d := range list {
			if len(errs) == maxSpelled {
				more++
				continue
			}
			say(d)
		}
	}
	if tail.err != nil {
		say(tail)
	}
	if more > 0 {
		errs = append(errs, fmt.Errorf("%s: and %d more", path, more))
	}
	return errors.Join(errs...)
}
