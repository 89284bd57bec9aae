//go:build unix

package rubydb

import (
	"fmt"

	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/mmapstore/stock"
)

// Open opens the file at path. base is the base name that its client gave it,
// which tells metric and process; path may have another. The errors are those of
// stock.Open, and ErrMalformed for a base that is none of IsFileName.
func Open(path, base string, o stock.Options) (*stock.Reader, error) {
	n, ok := parseName(base)
	if !ok {
		return nil, fmt.Errorf("%q is no name of a .bin file: %w", base, mmapstore.ErrMalformed)
	}
	return stock.Open(path, newFormat(n, wallClock()), o)
}
