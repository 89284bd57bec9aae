package worker

import (
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/mmapstore"
)

// Store is the metrics of this process and the file in which they live. All
// methods may be called by many goroutines at once.
type Store struct {
	// registry has all collectors: it says who is registered already, and is
	// the view of this process alone. known has them too, but is only ever asked
	// whether it knows one. others has those that are not native, for snapshots.
	registry *prometheus.Registry
	known    *prometheus.Registry
	others   *prometheus.Registry
	// registering guards the registries and early together, so that they agree.
	registering sync.Mutex
	early       []prometheus.Collector // registered before Open

	making   sync.Mutex    // one at a time makes the file; taken before all other locks
	rejected atomic.Uint64 // amounts and values that could not be counted
	notes    notes

	// mu guards the fields below, the families, and the placement of children.
	// It is never held while a client_golang Vec or registry is called.
	mu        sync.Mutex
	state     state
	alone     bool   // no directory was named: see showDefault
	dir       string // where a file is wanted that could not be made yet
	options   Options
	writer    writer // in state filed
	families  map[*family]struct{}
	files     map[string]*fileFamily // by family.key
	native    map[string]int         // families by name, which snapshots leave alone
	funcModes map[string]Mode        // of GaugeFuncs, by name
	homeless  map[*core]struct{}     // wait for room in the file
	unburied  map[*core]struct{}     // wait for room for their tombstones
	dropped   uint64

	upkeep upkeep
}

// writer is what a Store needs of a mmapstore.Writer; tests make it fail.
type writer interface {
	AddFamily(mmapstore.Family) (int, error)
	AddSeries(family int, labels mmapstore.Labels, created time.Time) (mmapstore.Slot, error)
	Delete(mmapstore.Slot) error
	Unset(mmapstore.Slot)
	CountDropped()
	Path() string
	Close() error
}

// state is what a Store has come to. It only ever goes forward.
type state uint8

const (
	pending state = iota // before Open, or until there is room for a file: everything waits on the heap
	memory               // no file: everything is on the heap for good
	filed                // counts go to the file
	closed               // as memory
)

// newStore is a store before Open.
func newStore() *Store {
	s := &Store{
		registry:  prometheus.NewRegistry(),
		known:     prometheus.NewRegistry(),
		others:    prometheus.NewRegistry(),
		families:  make(map[*family]struct{}),
		files:     make(map[string]*fileFamily),
		native:    make(map[string]int),
		funcModes: make(map[string]Mode),
		homeless:  make(map[*core]struct{}),
		unburied:  make(map[*core]struct{}),
	}
	s.upkeep.init(s)
	return s
}

// New opens a store of its own, beside the default one: it holds only what is
// created by With(store) or registered with it. Otherwise it is as Open.
func New(dir string, opts ...Option) (*Store, error) {
	s := newStore()
	return s, s.open(dir, opts)
}

// open binds a pending store.
func (s *Store) open(dir string, opts []Option) error {
	var o Options
	for _, opt := range opts {
		opt(&o)
	}
	if dir == "" {
		dir = envDir()
	}
	optErr := o.complete()
	var w writer
	var err, showErr error
	if dir != "" {
		w, err = create(dir, o)
	}
	s.sweep() // what was deleted before Open gets no place
	if err != nil && !final(err) {
		s.await(dir, o)
	} else {
		showErr = s.bind(o, w, dir == "")
	}
	if err != nil {
		s.note("file", "metrics stay in the memory of this process", "err", err)
	}
	s.notes.flush(o.Logger)
	if !s.inState(memory) {
		s.upkeep.start(o.SnapshotInterval)
	}
	return errors.Join(err, showErr, optErr)
}

// await leaves it to upkeep to make the file: what is lacking may come.
func (s *Store) await(dir string, o Options) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dir, s.options = dir, o
}

// makeFile tries again to make a file that could not be made.
func (s *Store) makeFile() {
	s.making.Lock()
	defer s.making.Unlock()
	s.mu.Lock()
	dir, o := s.dir, s.options
	s.mu.Unlock()
	if dir == "" {
		return
	}
	w, err := create(dir, o)
	if err != nil {
		return // as Open has said
	}
	_ = s.bind(o, w, false) // shows nothing elsewhere, so nobody refuses it
	s.note("made", "the file of this process is made, with all that it has counted", "file", w.Path())
}

func create(dir string, o Options) (writer, error) {
	w, err := mmapstore.Create(dir, mmapstore.WriterOptions{
		Identity: o.Identity, FileMode: o.FileMode, MaxSeries: o.MaxSeries,
	})
	if err != nil {
		return nil, err // not w: a nil pointer is not a nil writer
	}
	return w, nil
}

// envDir is the directory that the environment names, as for client_python.
func envDir() string {
	if dir := os.Getenv("PROMETHEUS_MULTIPROC_DIR"); dir != "" {
		return dir
	}
	return os.Getenv("prometheus_multiproc_dir")
}

// bind moves all children out of their wait. A store that is alone shows what it
// has got so far to a plain promhttp.Handler.
func (s *Store) bind(o Options, w writer, alone bool) error {
	s.registering.Lock()
	defer s.registering.Unlock()
	s.placeAll(o, w, alone)
	var errs []error
	for _, c := range s.early {
		if alone {
			errs = append(errs, s.showDefault(c))
		}
	}
	s.early = nil
	return errors.Join(errs...)
}

func (s *Store) placeAll(o Options, w writer, alone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.options, s.writer, s.alone, s.state, s.dir = o, w, alone, filed, ""
	if w == nil {
		s.state = memory
	}
	for f := range s.families {
		for _, m := range f.children {
			s.place(m.base())
		}
	}
}

// Path is the name of the store's file, "" if it has none.
func (s *Store) Path() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writer == nil {
		return ""
	}
	return s.writer.Path()
}

// Gatherer is the view of this process alone: all that is registered with the
// store, each series since it was created here.
func (s *Store) Gatherer() prometheus.Gatherer { return s.registry }

// Flush does now what the store does on its timer: it marks deleted what was
// deleted, tries again what had no room, and takes snapshots.
func (s *Store) Flush() { s.upkeep.run() }

// Close flushes, closes the file and waits for the store's goroutine. The
// process counts as dead from here on, and what it counted is kept by the
// archive. Metric calls afterwards are harmless: they count in the memory of
// this process. Calls of Close after one that returned nil do nothing. It takes a
// last snapshot, so it waits for collectors: one that never returns keeps it.
func (s *Store) Close() error {
	s.upkeep.stop()
	s.Flush()
	s.making.Lock() // a Flush beside us makes no file after this
	defer s.making.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != filed {
		if s.state != pending || s.dir != "" {
			s.state, s.dir = closed, ""
		}
		return nil
	}
	// Counts made until the file is closed go into it. What the children show
	// here is read before, as their cells are empty after.
	last := make(map[*core][]mmapstore.Word)
	for f := range s.families {
		for _, m := range f.children {
			if c := m.base(); c.state == placed {
				c.mu.Lock()
				last[c] = c.copyOut()
				c.mu.Unlock()
			}
		}
	}
	if err := s.writer.Close(); err != nil {
		return err // the file still counts as a living process's: Close may be called again
	}
	s.state = closed
	for c := range s.homeless {
		s.loosen(c)
	}
	for c, words := range last {
		c.state = loose
		c.mu.Lock()
		c.start = nil
		c.settle(words)
		c.mu.Unlock()
	}
	return nil
}

// Stats is what a Store says about itself.
type Stats struct {
	// Series are the children of native families.
	Series int
	// Homeless is how many of all series wait for room in the file.
	Homeless int
	// Dropped counts the series that had no place in the file when they were
	// made; those that were homeless for a time are among them.
	Dropped uint64
	// Rejected counts amounts that a Counter ignored, values that a Histogram
	// or Summary left out of its sum, and states that a StateSet does not have.
	Rejected uint64
}

// Stats counts. It is not cheap enough for a hot path.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{Homeless: len(s.homeless), Dropped: s.dropped, Rejected: s.rejected.Load()}
	for f := range s.families {
		st.Series += len(f.children)
	}
	if s.dir != "" {
		st.Homeless = st.Series
	}
	return st
}

func (s *Store) logger() *slog.Logger {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.options.Logger == nil {
		return slog.Default()
	}
	return s.options.Logger
}
