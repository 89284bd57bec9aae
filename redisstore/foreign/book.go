package foreign

import (
	"slices"
	"sync"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// Book binds the tables of one store, read after read, into sources that a merge knows
// for one and the same. Goroutines may share it.
type Book struct {
	name string

	now func() time.Time
	id  mmapstore.ID

	mu   sync.Mutex // guards last
	last *source
}

// NewBook makes a book. name is for messages, and the identity of the source. now gives
// the time of day; nil means time.Now.
func NewBook(name string, now func() time.Time) *Book {
	if now == nil {
		now = time.Now
	}
	return &Book{name: name, now: now, id: mmapstore.NewID()}
}

// oldest is when a source of this kind was born: before every process. So where a
// process has a family of the same name, its help, its type and its mode hold.
const oldest = 1

// Bind makes a source of the table, which is of no use then. help is that of its metrics.
func (b *Book) Bind(t *Table, help Help) aggregate.Source {
	l := t.lay(help)
	s := &source{schema: l.schema, words: l.words}
	s.meta = aggregate.Meta{ID: b.id, Name: b.name, Identity: b.name, Created: oldest, State: mmapstore.Alive}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last != nil {
		s.follow(b.last, b.now().UnixNano())
	}
	b.last = s
	return s
}

// source is what a store held at one moment. It does not change.
type source struct {
	meta   aggregate.Meta
	schema mmapstore.Schema
	words  []uint64
}

func (s *source) Meta() aggregate.Meta        { return s.meta }
func (s *source) Schema() mmapstore.Schema    { return s.schema }
func (s *source) History() *aggregate.History { return nil }

func (s *source) Load(dst []uint64) error {
	copy(dst, s.words)
	return nil
}

// follow makes s the successor of the source of the read before. A series that counts
// less than before was reset, or has expired and began anew: it is born now, or a merge
// would hold it at what it was. Where the series are the same, so is the schema.
func (s *source) follow(last *source, now int64) {
	same := sameFamilies(s.schema.Families, last.schema.Families) && len(s.schema.Series) == len(last.schema.Series)
	before := finder{source: last}
	for i := range s.schema.Series {
		j, ok := before.find(s, i)
		if !ok {
			same = false
			continue
		}
		series := &s.schema.Series[i]
		if series.Created = last.schema.Series[j].Created; s.fell(i, last, j) {
			series.Created = now
		}
		same = same && *series == last.schema.Series[j]
	}
	if same {
		s.schema = last.schema
		return
	}
	s.schema.Version = last.schema.Version + 1
}

// seriesKey is a series of a source.
type seriesKey struct {
	familyKey
	labels mmapstore.Labels
}

func (s *source) key(i int) seriesKey {
	series := &s.schema.Series[i]
	f := &s.schema.Families[series.Family]
	return seriesKey{familyKey{f.Name, f.Type}, series.Labels}
}

// finder finds series of other sources in its own.
type finder struct {
	source *source
	index  map[seriesKey]int // nil as long as nothing had to be looked up
}

// find returns the index of the i-th series of another source. As a rule it is i.
func (f *finder) find(of *source, i int) (j int, ok bool) {
	if i < len(f.source.schema.Series) && of.key(i) == f.source.key(i) {
		return i, true
	}
	if f.index == nil {
		f.index = make(map[seriesKey]int, len(f.source.schema.Series))
		for i := range f.source.schema.Series {
			f.index[f.source.key(i)] = i
		}
	}
	j, ok = f.index[of.key(i)]
	return j, ok
}

func sameFamilies(a, b []mmapstore.Family) bool {
	return slices.EqualFunc(a, b, func(a, b mmapstore.Family) bool {
		return a.Name == b.Name && a.Help == b.Help && a.Type == b.Type &&
			slices.Equal(a.Bounds, b.Bounds) && slices.Equal(a.Spelled, b.Spelled)
	})
}
