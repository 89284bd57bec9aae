//go:build unix

package rubydb

import (
	"github.com/promfold/promfold/mmapstore/stock"
)

// IsFileName reports whether a base name is one that the clients give.
func IsFileName(string) bool { return false }

// Open opens the file at path. base is the base name that its client gave it.
func Open(path, base string, o stock.Options) (*stock.Reader, error) {
	_ = base
	return stock.Open(path, o)
}
