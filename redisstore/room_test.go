package redisstore

import (
	"errors"
	"strings"
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// Property: what nobody would read, because it is more than a reader decompresses, is never
// committed nor published.
func TestNothingIsWrittenThatNobodyReads(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a gigabyte")
	}
	a := aggregate.NewArchive()
	a.Schema.Families = []mmapstore.Family{{Name: "f", Type: mmapstore.Counter, Help: strings.Repeat("x", maxDecompressed)}}
	a.History.Families = make([]int64, 1)
	if _, err := encodeArchive(a); !errors.Is(err, mmapstore.ErrLimit) {
		t.Errorf("archive: %v", err)
	}
	if _, _, err := encodeSchema(a); !errors.Is(err, mmapstore.ErrLimit) {
		t.Errorf("schema: %v", err)
	}
	a.Schema.Families[0].Help = "short"
	b, err := encodeArchive(a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decodeArchive(b); err != nil {
		t.Error(err)
	}
}
