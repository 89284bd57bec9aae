//go:build unix

package stock_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/mmapstore/stock"
)

// bases are names of files, one for each way of reading.
var bases = []string{
	"counter_1.db", "histogram_1.db", "summary_1.db", "gauge_all_1.db", "gauge_mostrecent_1.db", "metric_x___1.bin",
}

// whole are the files of all clients in small.
func whole(tb testing.TB) (files [][]byte) {
	for _, fill := range []func(f *fixture.File){
		func(f *fixture.File) {
			add(f, `["x", "x", {"a": "1"}, "Help."]`, `["x", "x_bucket", {"le": "1.0"}, "Help."]`)
		},
		func(f *fixture.File) {
			f.Add(`["x", "x_sum", ["a"], ["b"]]`, 1)
			f.Add(`["x", "x_bucket", ["le", "a"], ["+Inf", "b"]]`, 1)
		},
		func(f *fixture.File) {
			f.Add(`["x","x_sum",["a"],[null]]`, 1)
			f.Add(`["x","x_bucket",["a","le"],[null,"1"]]`, 1)
			f.Add(`["x","x_bucket",["a","le"],[null,"+Inf"]]`, 1)
		},
		func(f *fixture.File) {
			f.AddWithin("a=b+c%20d&le=1.0e-07", 1, 2)
			f.AddWithin("a=b+c%20d&le=sum", 1, 2)
		},
		func(f *fixture.File) { f.AddWithin("quantile=sum", 1, 2); f.AddWithin("", 1, 2) },
	} {
		f := fixture.Create(tb, filepath.Join(tb.TempDir(), "file"), 256)
		fill(f)
		b, err := os.ReadFile(f.Name())
		if err != nil {
			tb.Fatal(err)
		}
		files = append(files, b[:f.Used])
	}
	return files
}

// Property: no bytes make a reader panic, under whatever name they come; what is
// served of them keeps the rules of a schema, takes memory in proportion to their
// length, and is the same for another reader.
func FuzzReader(f *testing.F) {
	for _, b := range whole(f) {
		for i := range bases {
			f.Add(b, uint8(i), uint8(0))
		}
	}
	f.Add([]byte{}, uint8(0), uint8(1))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte, base, more uint8) {
		name := bases[int(base)%len(bases)]
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, int64(len(b))+int64(more)); err != nil {
			t.Fatal(err)
		}
		r := open(t, path, name)
		defer r.Close()
		_, _ = r.Look()
		var err error
		if n := allocated(func() { err = r.Refresh() }); n > 2<<20+uint64(4000*len(b)) {
			t.Fatalf("%d bytes allocated for %d", n, len(b))
		}
		if (err != nil) != (r.Refresh() != nil) || err != nil && mmapstore.Reason(err) == "io" {
			t.Fatalf("first refresh: %v", err)
		}
		s := r.Schema()
		assertSchema(t, &s)
		truncated := mmapstore.Reason(err) == "truncated"
		if err := r.Load(make([]uint64, s.Words)); err != nil && !truncated {
			t.Fatalf("load of a file that nobody cuts: %v", err)
		}
		compareReaders(t, r, path, name, nil)
		r.SetOverrides(mmapstore.Overrides{"x": {Type: mmapstore.Gauge, Mode: mmapstore.Latest}})
		_ = r.Refresh()
		s = r.Schema()
		assertSchema(t, &s)
		if err := r.Load(make([]uint64, s.Words)); err != nil && !truncated {
			t.Fatalf("load of what was laid out anew: %v", err)
		}
		compareSiblings(t, path, name, b, more)
	})
}

// compareReaders holds a reader to what one finds that opens the file now.
func compareReaders(t *testing.T, r *stock.Reader, path, name string, siblings *stock.Siblings) {
	cold, err := opener(name)(path, name, stock.Options{Siblings: siblings})
	if err != nil {
		t.Fatal(err)
	}
	defer cold.Close()
	_ = cold.Refresh()
	s, want := r.Schema(), cold.Schema()
	if siblings != nil {
		s.Version = want.Version
	}
	words, wanted := make([]uint64, s.Words), make([]uint64, want.Words)
	if err, other := r.Load(words), cold.Load(wanted); (err != nil) != (other != nil) {
		t.Fatalf("one reader loads with %v, another with %v", err, other)
	} else if err != nil {
		return
	}
	if !reflect.DeepEqual(s, want) || !slices.Equal(words, wanted) {
		t.Fatalf("one reader has %+v %v\nanother %+v %v", s, words, want, wanted)
	}
}

// compareSiblings holds readers with siblings to those without, of the file and of
// another that differs in one byte.
func compareSiblings(t *testing.T, path, name string, b []byte, place uint8) {
	siblings := stock.NewSiblings()
	for i := range 3 {
		if i == 2 && len(b) > 0 {
			at := int(place) % len(b)
			other := append(slices.Clone(b[:at]), append([]byte{b[at] ^ (1 << (place % 8))}, b[at+1:]...)...)
			if err := os.WriteFile(path, other, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		lone := open(t, path, name)
		err := lone.Refresh()
		r, _ := opener(name)(path, name, stock.Options{Siblings: siblings})
		if got := r.Refresh(); fmt.Sprint(got) != fmt.Sprint(err) || r.Identity() != lone.Identity() || r.ParsedBytes() != lone.ParsedBytes() {
			t.Fatalf("with siblings: %v, %q, %d bytes; without: %v, %q, %d bytes", got, r.Identity(), r.ParsedBytes(), err, lone.Identity(), lone.ParsedBytes())
		}
		compareReaders(t, lone, path, name, siblings)
		r.Close()
		lone.Close()
	}
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// assertSchema holds a schema to what merges rely on.
func assertSchema(t *testing.T, s *mmapstore.Schema) {
	t.Helper()
	words := 0
	for i := range s.Series {
		one := &s.Series[i]
		f := &s.Families[one.Family]
		if err := f.Validate(); err != nil {
			t.Fatalf("series of a family that should have been refused: %v", err)
		}
		if one.Word < words || one.Word+f.WordCount(s.SumWords) > s.Words {
			t.Fatalf("words %d of %d overlap", one.Word, s.Words)
		}
		words = one.Word + f.WordCount(s.SumWords)
		if again, err := mmapstore.EncodeLabels(one.Labels.Pairs()); err != nil || again != one.Labels {
			t.Fatalf("labels %q become %q, %v", string(one.Labels), string(again), err)
		}
		if name := mmapstore.TakenLabel(f.Type, one.Labels); name != "" {
			t.Fatalf("label %q in %v", name, f.Type)
		}
		if f.Spelled != nil && len(f.Spelled) != len(f.Bounds) {
			t.Fatalf("%d bounds spelled as %q", len(f.Bounds), f.Spelled)
		}
	}
}

// Property: a reader beside a hand that writes over the file and cuts it gets
// errors at worst, and never serves what breaks the rules.
func FuzzReaderBesideMutation(f *testing.F) {
	f.Add([]byte(`["x", "x", {}]`), uint64(1), uint8(0))
	f.Add([]byte{}, uint64(2), uint8(5))
	files := whole(f)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte, seed uint64, base uint8) {
		besideMutation(t, dir, files[seed%uint64(len(files))], text, seed, bases[int(base)%len(bases)])
	})
}

// Property: as FuzzReaderBesideMutation, for some hundred hands.
func TestReaderBesideMutation(t *testing.T) {
	files := whole(t)
	for seed := range uint64(200) {
		besideMutation(t, t.TempDir(), files[seed%uint64(len(files))], []byte("text"), seed, bases[seed%uint64(len(bases))])
	}
}

func besideMutation(t *testing.T, dir string, b, text []byte, seed uint64, base string) {
	path := filepath.Join(dir, base)
	_ = os.Remove(path)
	if err := os.WriteFile(path, append(b, make([]byte, 8192)...), 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		mutate(path, text, rand.New(rand.NewPCG(seed, 0)))
	}()
	readUntil(t, path, base, done)
	<-done
}

// mutate writes text over places of the file, flips bytes of it and cuts it.
func mutate(path string, text []byte, rnd *rand.Rand) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer file.Close()
	for range 60 {
		off := rnd.Int64N(300)
		switch rnd.IntN(6) {
		case 0:
			_ = file.Truncate(off)
		case 1:
			_ = file.Truncate(3 * 4096)
		case 2:
			_, _ = file.WriteAt(binary.NativeEndian.AppendUint32(nil, rnd.Uint32N(9000)), 0)
		case 3:
			_, _ = file.WriteAt(text, off)
		default:
			_, _ = file.WriteAt([]byte{byte(rnd.Uint32())}, off)
		}
	}
}

func readUntil(t *testing.T, path, base string, done <-chan struct{}) {
	siblings := stock.NewSiblings()
	for {
		r := openAny(path, base, siblings)
		for range 3 {
			if r == nil {
				break
			}
			_ = r.Refresh()
			s := r.Schema()
			_ = r.Load(make([]uint64, s.Words))
			_, _ = r.Look()
			_ = r.Probe(false)
			assertSchema(t, &s)
		}
		if r != nil {
			r.Close()
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

// openAny is nil if the file cannot be opened.
func openAny(path, base string, siblings *stock.Siblings) *stock.Reader {
	r, err := opener(base)(path, base, stock.Options{Siblings: siblings})
	if err != nil {
		return nil
	}
	return r
}
