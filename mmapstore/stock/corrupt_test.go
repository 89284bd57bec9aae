//go:build unix

package stock_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/mmapstore/stock"
)

// series are those of a reader, by fixture.Series, and their second words, which
// are a counter's value.
func series(t testing.TB, r *stock.Reader) map[string]uint64 {
	t.Helper()
	s := r.Schema()
	words := make([]uint64, s.Words)
	if err := r.Load(words); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]uint64)
	for _, one := range s.Series {
		all[s.Families[one.Family].Name+one.Labels.String()] = words[one.Word+1]
	}
	return all
}

func u32(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// Property: damage costs what it destroys, and is named with its kind and place;
// what precedes it, and entries beside one that breaks a rule, are read.
func TestCorruptFiles(t *testing.T) {
	const good = `["x", "%s", {"a": "1"}, "Help."]`
	key := func(name string) string { return fmt.Sprintf(good, name) }
	deep := strings.Repeat("[", 2000)
	for name, row := range map[string]struct {
		base   string // counter_1.db if empty
		damage func(f *fixture.File)
		want   error
		offset int64 // of the first damage; -1: that of the third entry
		left   string
	}{
		"none":            {damage: func(*fixture.File) {}, left: "a b c"},
		"no entry":        {damage: func(f *fixture.File) { f.Write(0, u32(8)) }},
		"not begun":       {damage: func(f *fixture.File) { f.Write(0, u32(0)) }},
		"no bytes":        {damage: func(f *fixture.File) { _ = f.Truncate(0) }},
		"half a header":   {damage: func(f *fixture.File) { _ = f.Truncate(2) }, want: mmapstore.ErrMalformed},
		"used too little": {damage: func(f *fixture.File) { f.Write(0, u32(7)) }, want: mmapstore.ErrMalformed},
		"used beyond":     {damage: func(f *fixture.File) { f.Write(0, u32(1<<20)) }, want: mmapstore.ErrTruncated, offset: 4096, left: "a b c"},
		"used in between": {damage: func(f *fixture.File) { f.Write(0, u32(uint32(f.Used)-8)) }, want: mmapstore.ErrMalformed, offset: -1, left: "a b"},
		"used unaligned":  {damage: func(f *fixture.File) { f.Write(0, u32(uint32(f.Used)-1)) }, want: mmapstore.ErrMalformed, offset: -1, left: "a b"},
		"cut":             {damage: func(f *fixture.File) { _ = f.Truncate(f.Used - 20) }, want: mmapstore.ErrTruncated, offset: -2, left: "a b"},
		"length 0":        {damage: func(f *fixture.File) { f.Write(third(f), u32(0)) }, want: mmapstore.ErrMalformed, offset: -1, left: "a b"},
		"length of all":   {damage: func(f *fixture.File) { f.Write(third(f), u32(1<<32-1)) }, want: mmapstore.ErrLimit, offset: -1, left: "a b"},
		"length too long": {damage: func(f *fixture.File) { f.Write(third(f), u32(200)) }, want: mmapstore.ErrMalformed, offset: -1, left: "a b"},
		"padding":         {damage: func(f *fixture.File) { f.Write(third(f)+4+int64(len(key("c"))), []byte("x")) }, want: mmapstore.ErrMalformed, offset: -1, left: "a b"},
		"key cut":         {damage: func(f *fixture.File) { f.Write(third(f)+3+int64(len(key("c"))), []byte("x")) }, want: mmapstore.ErrMalformed, offset: -1, left: "a b"},
		"first key":       {damage: func(f *fixture.File) { f.Write(12, []byte("x")) }, want: mmapstore.ErrMalformed, offset: 8},
		"all keys":        {damage: func(f *fixture.File) { f.Write(8, make([]byte, f.Used-8)) }, want: mmapstore.ErrMalformed, offset: 8},
		"deep key":        {damage: func(f *fixture.File) { f.Add(`["x","x",[],`+deep, 1, 0) }, want: mmapstore.ErrMalformed, offset: -3, left: "a b c"},
		"long key":        {damage: func(f *fixture.File) { add(f, key(strings.Repeat("n", 65<<10)), key("d")) }, want: mmapstore.ErrLimit, offset: -3, left: "a b c d"},
		"longer key":      {damage: func(f *fixture.File) { add(f, key(strings.Repeat("n", 700<<10)), key("d")) }, want: mmapstore.ErrLimit, offset: -3, left: "a b c d"},
		"long key alone":  {damage: func(f *fixture.File) { f.Used = 8; add(f, key(strings.Repeat("n", 65<<10))) }, want: mmapstore.ErrLimit, offset: 8},
		"long name":       {damage: func(f *fixture.File) { add(f, key(strings.Repeat("n", 1025)), key("d")) }, want: mmapstore.ErrLimit, offset: -3, left: "a b c d"},
		"long help":       {damage: func(f *fixture.File) { add(f, `["x","x",{},"`+strings.Repeat("h", 17<<10)+`"]`, key("d")) }, left: "a b c d x"},
		"help of null":    {damage: func(f *fixture.File) { add(f, `["x","x",{},null]`, key("d")) }, left: "a b c d x"},
		"help of a list":  {damage: func(f *fixture.File) { add(f, `["x","x",{},["h"]]`, key("d")) }, left: "a b c d x"},
		"long labels":     {damage: func(f *fixture.File) { add(f, `["x","x",{"a":"`+strings.Repeat("l", 33<<10)+`"}]`, key("d")) }, want: mmapstore.ErrTooLarge, offset: -3, left: "a b c d"},
		"no name":         {damage: func(f *fixture.File) { add(f, key(""), key("d")) }, want: mmapstore.ErrMalformed, offset: -3, left: "a b c d"},
		"no label name":   {damage: func(f *fixture.File) { add(f, `["x","x",{"":"1"}]`, key("d")) }, want: mmapstore.ErrMalformed, offset: -3, left: "a b c d"},
		"label twice":     {damage: func(f *fixture.File) { add(f, `["x","x",{"a":"1","a":"2"}]`, key("d")) }, want: mmapstore.ErrMalformed, offset: -3, left: "a b c d"},
		"reserved label":  {damage: func(f *fixture.File) { add(f, `["x","x",{"__name__":"1"}]`, key("d")) }, want: mmapstore.ErrMalformed, offset: -3, left: "a b c d"},
		"nested value":    {damage: func(f *fixture.File) { add(f, `["x","x",{"a":["1"]}]`, key("d")) }, want: mmapstore.ErrMalformed, offset: -3, left: "a b c d"},
		"missing value":   {damage: func(f *fixture.File) { add(f, `["x", "x", ["a", "b"], ["1"]]`, key("d")) }, want: mmapstore.ErrMalformed, offset: -3, left: "a b c d"},
		"name of bytes":   {damage: func(f *fixture.File) { add(f, key("\xff"), key("d")) }, want: mmapstore.ErrMalformed, offset: -3, left: "a b c d"},
		"label of bytes":  {damage: func(f *fixture.File) { add(f, `["x","x",{"\ud800":"1"}]`, key("d")) }, want: mmapstore.ErrMalformed, offset: -3, left: "a b c d"},
		"bound":           {base: "histogram_1.db", damage: func(f *fixture.File) { add(f, `["h", "h_bucket", {"le": "x"}]`, `["h", "h_sum", {}]`) }, want: mmapstore.ErrMalformed, left: "h", offset: 8},
		"no bound":        {base: "histogram_1.db", damage: func(f *fixture.File) { add(f, `["h", "h_bucket", {}]`, `["h", "h_sum", {}]`) }, want: mmapstore.ErrMalformed, left: "h", offset: 8},
		"sum with bound":  {base: "histogram_1.db", damage: func(f *fixture.File) { add(f, `["h", "h_sum", {"le": "1"}]`, `["h", "h_sum", {}]`) }, want: mmapstore.ErrMalformed, left: "h", offset: 8},
		"quantile":        {base: "summary_1.db", damage: func(f *fixture.File) { add(f, `["s", "s_sum", {"quantile": "1"}]`, `["s", "s_sum", {}]`) }, want: mmapstore.ErrMalformed, left: "s", offset: 8},
		"other sample":    {base: "summary_1.db", damage: func(f *fixture.File) { add(f, `["s", "t_sum", {}]`, `["s", "s_sum", {}]`) }, want: mmapstore.ErrMalformed, left: "s", offset: 8},
	} {
		t.Run(name, func(t *testing.T) {
			base := row.base
			if base == "" {
				base = "counter_1.db"
			}
			path := filepath.Join(t.TempDir(), base)
			f := fixture.Create(t, path, 4096)
			if row.base == "" {
				add(f, key("a"), key("b"), key("c"))
			}
			before := f.Used
			row.damage(f)
			r := open(t, path, base)
			for range 2 { // it is said each time
				err := r.Refresh()
				if !errors.Is(err, row.want) || (err == nil) != (row.want == nil) {
					t.Fatalf("%v, want %v", err, row.want)
				}
				var corrupt *mmapstore.CorruptError
				want := map[int64]int64{-1: third(f), -2: before - 20, -3: before}[row.offset] + max(row.offset, 0)
				if err != nil && (!errors.As(err, &corrupt) || corrupt.Offset != want) {
					t.Fatalf("%v, want offset %d", err, want)
				}
			}
			var left []string
			for _, one := range slices.Sorted(maps.Keys(series(t, r))) {
				left = append(left, strings.Split(one, "{")[0])
			}
			if got := strings.Join(left, " "); got != row.left {
				t.Errorf("left is %q, want %q", got, row.left)
			}
			if r.Empty() != (row.want == nil && row.left == "") {
				t.Errorf("empty: %v", r.Empty())
			}
		})
	}
}

func add(f *fixture.File, keys ...string) {
	for _, key := range keys {
		f.Add(key, 1, 0)
	}
}

// third is the offset of the third of three entries of one size.
func third(f *fixture.File) int64 { return f.Used - (f.Used-8)/3 }

// Property: what was read of a file is not forgotten because somebody writes over
// its header or cuts it; cells that are gone are an error, never a signal.
func TestFileThatShrinks(t *testing.T) {
	for name, row := range map[string]struct {
		shrink  func(f *fixture.File)
		refresh error
		load    error
	}{
		"used, by an entry": {func(f *fixture.File) { f.Write(0, u32(uint32(third(f)))) }, mmapstore.ErrTruncated, mmapstore.ErrTruncated},
		"used, to nothing":  {func(f *fixture.File) { f.Write(0, u32(0)) }, mmapstore.ErrTruncated, mmapstore.ErrTruncated},
		"used, to 8":        {func(f *fixture.File) { f.Write(0, u32(8)) }, mmapstore.ErrTruncated, mmapstore.ErrTruncated},
		"file, to nothing":  {func(f *fixture.File) { _ = f.Truncate(0) }, mmapstore.ErrTruncated, mmapstore.ErrTruncated},
		"file, by an entry": {func(f *fixture.File) { _ = f.Truncate(third(f)) }, mmapstore.ErrTruncated, mmapstore.ErrTruncated},
		"file, by nothing":  {func(f *fixture.File) { _ = f.Truncate(f.Used) }, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "counter_1.db")
			f := fixture.Create(t, path, 1<<20)
			add(f, `["x", "x1", {}]`, `["x", "x2", {}]`, `["x", "x3", {}]`)
			r := open(t, path, "counter_1.db")
			if err := r.Refresh(); err != nil {
				t.Fatal(err)
			}
			row.shrink(f)
			for range 2 {
				if err := r.Refresh(); !errors.Is(err, row.refresh) || r.Empty() {
					t.Errorf("refresh says %v, empty: %v", err, r.Empty())
				}
				s := r.Schema()
				if len(s.Series) != 3 {
					t.Errorf("%d series are left", len(s.Series))
				}
				if err := r.Load(make([]uint64, s.Words)); !errors.Is(err, row.load) {
					t.Errorf("load says %v", err)
				}
			}
		})
	}
}

// Property: a writer that is seen half-way with an entry, which none of the
// clients lets happen, costs no more than until it is done.
func TestDamageThatHeals(t *testing.T) {
	path := filepath.Join(t.TempDir(), "counter_1.db")
	f := fixture.Create(t, path, 4096)
	add(f, `["x", "x1", {}]`, `["x", "x2", {}]`)
	at := f.Used
	add(f, `["x", "x3", {}]`)
	f.Write(at, u32(0))
	r := open(t, path, "counter_1.db")
	if err := r.Refresh(); !errors.Is(err, mmapstore.ErrMalformed) {
		t.Errorf("half an entry: %v", err)
	}
	f.Write(at, u32(uint32(len(`["x", "x3", {}]`))))
	if err := r.Refresh(); err != nil || len(r.Schema().Series) != 3 {
		t.Errorf("a whole one: %v, %d series", err, len(r.Schema().Series))
	}
}

// Property: after Close nothing is read any more, and that is an error.
func TestClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "counter_1.db")
	add(fixture.Create(t, path, 4096), `["x", "x1", {}]`)
	r := open(t, path, "counter_1.db")
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := r.Refresh(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("refresh says %v", err)
	}
	if err := r.Load(make([]uint64, 2)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("load says %v", err)
	}
}
