package stock_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/mmapstore/stock"
)

// Property: a file that has the keys of its siblings, and a hole where one of their
// values is, is read as if it had none: nobody fills the hole.
func TestSiblingWithAHole(t *testing.T) {
	key := `["x", "x", {"i": "`
	key += strings.Repeat("i", 4096-8-4-1-len(key)-len(`"}]`)) + `"}]` // ends with its page
	dir := onTmpfs(t)
	s := stock.NewSiblings()
	honest := fixture.Create(t, filepath.Join(dir, "counter_1.db"), 8192)
	honest.Add(key, 1, 0)
	first := among(t, s, honest.Name(), "counter_1.db")
	if err := first.Refresh(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(honest.Name())
	if err != nil {
		t.Fatal(err)
	}
	for name, held := range map[string]int{"whole": 8192, "hollow": 4096} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b[:held], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 8192); err != nil {
			t.Fatal(err)
		}
		before := blocks(t, path)
		r := among(t, s, path, "counter_1.db")
		err := r.Refresh()
		_ = r.Load(make([]uint64, r.Schema().Words))
		if whole := name == "whole"; (err == nil) != whole || sharing(first, r) != whole || blocks(t, path) != before {
			t.Errorf("%s: %v, shared: %v, %d blocks became %d", name, err, sharing(first, r), before, blocks(t, path))
		}
	}
}
