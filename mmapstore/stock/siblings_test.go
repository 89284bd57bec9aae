//go:build unix

package stock_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/mmapstore/stock"
)

// among opens a reader that has siblings.
func among(t testing.TB, s *stock.Siblings, path, base string) *stock.Reader {
	t.Helper()
	r, err := opener(base)(path, base, stock.Options{Siblings: s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// sharing reports whether two readers return one and the same schema.
func sharing(a, b *stock.Reader) bool {
	s, o := a.Schema(), b.Schema()
	return len(s.Series) > 0 && len(s.Series) == len(o.Series) && &s.Series[0] == &o.Series[0] &&
		s.Version == o.Version && s.Words == o.Words
}

// workers are the readers of files of processes that write the same keys.
type workers struct {
	siblings *stock.Siblings
	files    []*fixture.File
	readers  []*stock.Reader
}

func newWorkers(t *testing.T, n int, keys ...string) *workers {
	w := &workers{siblings: stock.NewSiblings()}
	dir := t.TempDir()
	for pid := range n {
		base := fmt.Sprintf("counter_%d.db", pid+1)
		f := fixture.Create(t, filepath.Join(dir, base), 4096)
		for i, key := range keys {
			f.Add(key, float64(100*pid+i), 0)
		}
		w.files = append(w.files, f)
		w.readers = append(w.readers, among(t, w.siblings, f.Name(), base))
	}
	w.refresh(t)
	return w
}

func (w *workers) refresh(t *testing.T) {
	t.Helper()
	for _, r := range w.readers {
		if err := r.Refresh(); err != nil {
			t.Fatal(err)
		}
	}
}

func counterKey(i int) string { return fmt.Sprintf(`["x", "x_total", {"i": "%d"}]`, i) }

// Property: readers of files with the same keys return the same memory, and yet
// each the values and the identity of its own file.
func TestSiblingsShare(t *testing.T) {
	w := newWorkers(t, 3, counterKey(1), counterKey(2))
	for pid, r := range w.readers {
		if !sharing(w.readers[0], r) {
			t.Errorf("reader %d has a schema of its own", pid)
		}
		if r.PID() != pid+1 || r.ParsedBytes() != w.files[pid].Used-8 {
			t.Errorf("reader %d: pid %d, %d bytes", pid, r.PID(), r.ParsedBytes())
		}
		assertSame(t, r, lone(t, w.files[pid].Name(), "counter_1.db", nil))
	}
}

// Property: files that go on alike are shared again, in the same version; one that
// goes on in its own way goes alone, and changes nothing for the others. What was
// parsed before is not parsed again.
func TestSiblingsGrow(t *testing.T) {
	w := newWorkers(t, 4, counterKey(1))
	before := w.readers[3].Schema()
	for pid, f := range w.files {
		f.Add(counterKey([]int{2, 2, 3, 2}[pid]), 7, 0)
	}
	w.refresh(t)
	for pid, want := range []bool{true, true, false, true} {
		if sharing(w.readers[0], w.readers[pid]) != want {
			t.Errorf("shared with reader %d: %v", pid, !want)
		}
		if got := w.readers[pid].ParsedBytes(); got != w.files[pid].Used-8 {
			t.Errorf("reader %d: %d bytes of %d", pid, got, w.files[pid].Used-8)
		}
		assertSame(t, w.readers[pid], lone(t, w.files[pid].Name(), "counter_1.db", nil))
	}
	if after := w.readers[3].Schema(); after.Version != before.Version || len(before.Series) != 1 {
		t.Errorf("%+v became %+v", before, after)
	}
}

// Property: what an only file says is not copied because it may be shared.
func TestOnlyChildGrowsInPlace(t *testing.T) {
	const n, more = 2000, 50
	w := newWorkers(t, 1)
	for i := range n {
		w.files[0].Add(counterKey(i), 1, 0)
	}
	w.refresh(t)
	bytes := allocated(func() {
		for i := range more {
			w.files[0].Add(counterKey(n+i), 1, 0)
			w.refresh(t)
		}
	})
	if bytes > 100*n*more/4 {
		t.Errorf("%d bytes for %d entries behind %d", bytes, more, n)
	}
}

// Property: a process that comes later, and has written what the others had at
// first and what they have now, finds its like.
func TestSiblingsComeLater(t *testing.T) {
	w := newWorkers(t, 2, counterKey(1), counterKey(2))
	f := fixture.Create(t, filepath.Join(t.TempDir(), "counter_9.db"), 4096)
	r := among(t, w.siblings, f.Name(), "counter_9.db")
	for i := range 2 {
		f.Add(counterKey(i+1), 1, 0)
		if err := r.Refresh(); err != nil {
			t.Fatal(err)
		}
		if got := sharing(w.readers[0], r); got != (i == 1) {
			t.Errorf("entry %d: shared is %v", i, got)
		}
	}
}

// Property: files of another kind, or read under other overrides, are not taken for
// siblings though every byte is the same.
func TestSiblingsOfAnotherKind(t *testing.T) {
	keys := []string{`["x", "x", {"pid": "1"}, ""]`}
	overrides := mmapstore.Overrides{"x": {Help: "Other."}}
	s := stock.NewSiblings()
	var readers []*stock.Reader
	for _, base := range []string{"counter_1.db", "gauge_all_1.db", "gauge_max_1.db", "gauge_mostrecent_1.db", "counter_2.db"} {
		f := fixture.Create(t, filepath.Join(t.TempDir(), base), 4096)
		add(f, keys...)
		r := among(t, s, f.Name(), base)
		if base == "counter_2.db" {
			r.SetOverrides(overrides)
		}
		if err := r.Refresh(); err != nil {
			t.Fatal(err)
		}
		readers = append(readers, r)
		if i := slices.IndexFunc(readers[:len(readers)-1], func(other *stock.Reader) bool { return sharing(other, r) }); i >= 0 {
			t.Errorf("%s shares with reader %d", base, i)
		}
	}
}

// Property: what the operator says anew of readers that share is seen by all, and
// shared again.
func TestSiblingsOverruled(t *testing.T) {
	w := newWorkers(t, 3, counterKey(1), counterKey(2))
	before := w.readers[2].Schema()
	overrides := mmapstore.Overrides{"x_total": {Help: "Other."}}
	for _, r := range w.readers {
		r.SetOverrides(overrides)
	}
	w.refresh(t)
	for pid, r := range w.readers {
		if s := r.Schema(); !sharing(w.readers[0], r) || s.Families[0].Help != "Other." || s.Version == before.Version {
			t.Errorf("reader %d: %+v", pid, s)
		}
		if err := r.Load(make([]uint64, before.Words)); !errors.Is(err, stock.ErrRedone) {
			t.Errorf("reader %d loads for the old schema: %v", pid, err)
		}
	}
	if before.Families[0].Help == "Other." {
		t.Error("a schema that was in use has changed")
	}
}

// lone is a reader without siblings that reads the file at once.
func lone(t *testing.T, path, base string, o mmapstore.Overrides) *stock.Reader {
	t.Helper()
	r, err := opener(base)(path, base, stock.Options{Overrides: o})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	return r
}

// assertSame holds what a reader shows to what another does, in whatever order.
func assertSame(t *testing.T, r, other *stock.Reader) {
	t.Helper()
	if got, want := everything(t, r), everything(t, other); !reflect.DeepEqual(got, want) {
		t.Fatalf("a reader among siblings has %v\nwant %v", got, want)
	}
}

// everything is what a reader shows: families and words, by series.
func everything(t *testing.T, r *stock.Reader) map[string]string {
	t.Helper()
	s := r.Schema()
	assertSchema(t, &s)
	words := make([]uint64, s.Words)
	if err := r.Load(words); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, one := range s.Series {
		f := s.Families[one.Family]
		all[fmt.Sprintf("%s%s%v", f.Name, one.Labels, f.Bounds)] = fmt.Sprintf("%+v %v", f, words[one.Word:one.Word+f.WordCount(1)])
	}
	return all
}

// crowd are processes that write, and readers of their files that come, go and
// look at any time.
type crowd struct {
	rnd       *rand.Rand
	base      string
	siblings  *stock.Siblings
	files     []*fixture.File
	written   []int // entries, by file
	readers   []*stock.Reader
	seen      []mmapstore.Schema
	loaded    [][]uint64            // as of seen
	overrides []mmapstore.Overrides // by reader
	said      []mmapstore.Overrides
	shared    int
}

// Property: whatever processes write, mostly but not always the same, and whenever
// their files are read, every reader shows what one without siblings does. Within a
// version its schema only grows; in another, vectors of the old one are refused, but
// for what was kept of it.
func TestSiblingsInACrowd(t *testing.T) {
	for _, base := range []string{"counter_1.db", "histogram_1.db", "gauge_all_1.db", "gauge_mostrecent_1.db", "metric_x___1.bin"} {
		for seed := range uint64(6) {
			t.Run(fmt.Sprint(base, seed), func(t *testing.T) {
				c := newCrowd(t, base, seed)
				for range 250 {
					c.step(t)
				}
				if c.shared == 0 {
					t.Error("nothing was shared")
				}
			})
		}
	}
}

func newCrowd(t *testing.T, base string, seed uint64) *crowd {
	c := &crowd{rnd: rand.New(rand.NewPCG(seed, 7)), base: base, siblings: stock.NewSiblings()}
	c.said = []mmapstore.Overrides{nil, {"x": {Help: "H"}}, {"x": {Type: mmapstore.Gauge, Mode: mmapstore.Max}}}
	dir := t.TempDir()
	for i := range 4 {
		c.files = append(c.files, fixture.Create(t, filepath.Join(dir, fmt.Sprint(i)), 4096))
		c.readers = append(c.readers, among(t, c.siblings, c.files[i].Name(), base))
	}
	c.written, c.seen, c.loaded = make([]int, 4), make([]mmapstore.Schema, 4), make([][]uint64, 4)
	c.overrides = make([]mmapstore.Overrides, 4)
	return c
}

func (c *crowd) step(t *testing.T) {
	i := c.rnd.IntN(len(c.files))
	switch c.rnd.IntN(60) {
	case 0: // an entry of its own, as long as others or not
		c.write(i, c.rnd.IntN(2000))
	case 1, 2, 3: // all have written as much
		for j := range c.files {
			for c.written[j] < slices.Max(c.written) {
				c.write(j, 2*c.written[j])
			}
		}
		for j := range c.files {
			c.look(t, j)
		}
	case 4, 5, 6, 7:
		c.readers[i].Close()
		c.readers[i] = among(t, c.siblings, c.files[i].Name(), c.base)
		c.seen[i], c.overrides[i] = mmapstore.Schema{}, nil
	case 8, 9, 10:
		o := c.said[c.rnd.IntN(len(c.said))]
		for j := range c.readers {
			c.overrides[j] = o
			c.readers[j].SetOverrides(o)
		}
	case 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25:
		c.write(i, 2*c.written[i])
	default:
		c.look(t, i)
	}
}

// write appends an entry of which number decides everything.
func (c *crowd) write(i, number int) {
	labels, bound := number/4, []string{"0.5", "1.0", "+Inf"}[number%3]
	value := float64(c.rnd.IntN(1000))
	switch {
	case c.base[0] == 'm':
		c.files[i].AddWithin(fmt.Sprintf("a=%d&le=%s", labels, strings.Replace(bound, "+", "%2B", 1)), value, 1)
	case c.base[0] == 'h' && number%4 == 3:
		c.files[i].Add(fmt.Sprintf(`["x", "x_sum", {"a": "%d"}]`, labels), value, 1)
	case c.base[0] == 'h':
		c.files[i].Add(fmt.Sprintf(`["x", "x_bucket", {"a": "%d", "le": "%s"}]`, labels, bound), value, 1)
	default:
		c.files[i].Add(fmt.Sprintf(`["x", "x", {"a": "%d"}]`, number), value, 1)
	}
	c.written[i]++
}

// look refreshes a reader and checks what it shows.
func (c *crowd) look(t *testing.T, i int) {
	t.Helper()
	r, old := c.readers[i], c.seen[i]
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	now := r.Schema()
	c.seen[i] = now
	other := lone(t, c.files[i].Name(), c.base, c.overrides[i])
	assertSame(t, r, other)
	other.Close()
	if r.ParsedBytes() != c.files[i].Used-8 {
		t.Fatalf("%d bytes parsed of %d", r.ParsedBytes(), c.files[i].Used-8)
	}
	err := r.Load(make([]uint64, old.Words))
	switch {
	case len(old.Series) == 0:
	case old.Version != now.Version:
		words := make([]uint64, old.Words)
		if kept := r.LoadKept(words); !errors.Is(err, stock.ErrRedone) || kept != nil || !slices.Equal(words, c.loaded[i]) {
			t.Fatalf("load for version %d in version %d: %v; kept was %v: %v\nloaded %v", old.Version, now.Version, err, kept, words, c.loaded[i])
		}
	case err != nil || old.Words > now.Words || !reflect.DeepEqual(old.Series, now.Series[:len(old.Series)]) ||
		!reflect.DeepEqual(old.Families, now.Families[:len(old.Families)]):
		t.Fatalf("version %d: %+v became %+v (%v)", now.Version, old, now, err)
	}
	c.loaded[i] = make([]uint64, now.Words)
	if err := r.Load(c.loaded[i]); err != nil {
		t.Fatal(err)
	}
	for j, other := range c.readers {
		if j != i && sharing(r, other) {
			c.shared++
		}
	}
}

// Property: goroutines that open, read and close files with the same siblings do
// not disturb each other.
func TestSiblingsOfGoroutines(t *testing.T) {
	s := stock.NewSiblings()
	dir := t.TempDir()
	var all sync.WaitGroup
	for pid := range 8 {
		f := fixture.Create(t, filepath.Join(dir, fmt.Sprintf("counter_%d.db", pid+1)), 4096)
		all.Go(func() {
			var r *stock.Reader
			for i := range 60 {
				f.Add(counterKey(i), float64(pid*i), 0)
				if i%20 == 0 {
					r = among(t, s, f.Name(), "counter_1.db")
				}
				if err := r.Refresh(); err != nil {
					t.Error(err)
				}
				words := make([]uint64, r.Schema().Words)
				if err := r.Load(words); err != nil || len(words) != 2*(i+1) {
					t.Errorf("%d words, %v", len(words), err)
				}
			}
		})
	}
	all.Wait()
}
