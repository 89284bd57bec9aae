//go:build unix

package stock_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/mmapstore"
)

// Property: of a file that somebody empties in place, and a process fills anew,
// nothing is shown under the names that were in it before, whether or not it was
// seen empty.
func TestFileWithAnotherLife(t *testing.T) {
	key := func(name string) string { return fmt.Sprintf(`["%s", "%s", {}]`, name, name) }
	for name, row := range map[string]struct {
		seen  bool // while it was empty
		zero  bool // emptied without a cut
		after []string
		lost  bool
	}{
		"seen":                 {true, false, []string{"xxx", "yyy"}, true},
		"seen, not cut":        {true, true, []string{"xxx", "yyy"}, true},
		"seen, the same":       {true, false, []string{"aaa", "bbb"}, true},
		"seen, less":           {true, false, []string{"xxx"}, true},
		"unseen, less":         {false, false, []string{"xxx"}, true},
		"unseen, other first":  {false, false, []string{"xxx", "bbb", "ccc"}, true},
		"unseen, other last":   {false, false, []string{"aaa", "yyy", "ccc"}, true},
		"unseen, other length": {false, false, []string{"aaaaaaaaaaaaaaaa", "bbb"}, true},
		"unseen, continued":    {false, false, []string{"aaa", "bbb", "ccc"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := fixture.Create(t, filepath.Join(t.TempDir(), "counter_1.db"), 4096)
			add(f, key("aaa"), key("bbb"))
			r := open(t, f.Name(), "counter_1.db")
			if err := r.Refresh(); err != nil || r.Reused() {
				t.Fatalf("%v, reused: %v", err, r.Reused())
			}
			if row.zero {
				f.Write(0, u32(0))
			} else if err := f.Truncate(0); err != nil {
				t.Fatal(err)
			}
			if row.seen {
				for range 2 {
					if err := r.Refresh(); !errors.Is(err, mmapstore.ErrTruncated) || r.Reused() {
						t.Errorf("while it is empty: %v, reused: %v", err, r.Reused())
					}
				}
			}
			if err := f.Truncate(4096); err != nil {
				t.Fatal(err)
			}
			f.Used = 8
			for _, name := range row.after {
				add(f, key(name))
			}
			for range 2 {
				err := r.Refresh()
				loaded := r.Load(make([]uint64, r.Schema().Words))
				if errors.Is(err, mmapstore.ErrTruncated) != row.lost || errors.Is(loaded, mmapstore.ErrTruncated) != row.lost || r.Reused() != row.lost {
					t.Errorf("refresh says %v, load %v, reused: %v", err, loaded, r.Reused())
				}
			}
		})
	}
}

// Property: the zero that an old client stores before each number, as it does with
// the bytes in use, costs no more than the moment.
func TestMomentOfNothingInUse(t *testing.T) {
	f := fixture.Create(t, filepath.Join(t.TempDir(), "counter_1.db"), 4096)
	add(f, `["x", "x1", [], []]`)
	r := open(t, f.Name(), "counter_1.db")
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	f.Write(0, u32(0))
	if err := r.Refresh(); !errors.Is(err, mmapstore.ErrTruncated) {
		t.Errorf("in the moment: %v", err)
	}
	add(f, `["x", "x2", [], []]`)
	if err := r.Refresh(); err != nil || r.Reused() || len(series(t, r)) != 2 {
		t.Errorf("after it: %v, reused: %v", err, r.Reused())
	}
}
