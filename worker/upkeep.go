package worker

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// upkeep is what a store does on its timer, on the one goroutine that it has.
type upkeep struct {
	store *Store
	wake  chan struct{} // a pass is wanted before its time
	quit  chan struct{}
	once  sync.Once
	done  sync.WaitGroup

	// mu lets one pass run at a time, and guards the fields below.
	mu        sync.Mutex
	round     uint64
	snapshots snapshots
}

func (u *upkeep) init(s *Store) {
	u.store = s
	u.wake = make(chan struct{}, 1)
	u.quit = make(chan struct{})
	u.snapshots.init(s)
}

func (u *upkeep) start(interval time.Duration) {
	u.done.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-u.wake:
			case <-u.quit:
				return
			}
			u.run()
		}
	})
}

// soon asks for a pass without waiting for it.
func (u *upkeep) soon() {
	select {
	case u.wake <- struct{}{}:
	default: // asked for already
	}
}

// stop ends the goroutine and waits for it.
func (u *upkeep) stop() {
	u.once.Do(func() { close(u.quit) })
	u.done.Wait()
}

// run is one pass.
func (u *upkeep) run() {
	s := u.store
	s.sweep() // before there is a file: what was deleted gets no place in it
	s.makeFile()
	u.mu.Lock()
	s.retry()
	if s.inState(filed) {
		u.snapshots.take()
	}
	u.mu.Unlock()
	s.notes.flush(s.logger())
}

func (s *Store) inState(want state) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == want
}

// retry looks for room again.
func (s *Store) retry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != filed {
		return
	}
	for c := range s.unburied {
		s.mark(c)
	}
	for c := range s.homeless {
		s.place(c)
	}
}

// sweep ends the life of children that are in their Vec no more. Vecs have no
// hook for that, so their contents are compared with what the store has.
func (s *Store) sweep() {
	s.upkeep.mu.Lock()
	defer s.upkeep.mu.Unlock()
	s.upkeep.round++
	for _, f := range s.vecs() {
		s.sweepVec(f, s.upkeep.round)
	}
}

func (s *Store) vecs() []*family {
	s.mu.Lock()
	defer s.mu.Unlock()
	fs := make([]*family, 0, len(s.families))
	for f := range s.families {
		if f.vec != nil {
			fs = append(fs, f)
		}
	}
	return fs
}

// sweepVec relies on the order: the list of known children is taken first. A
// child on it is in its Vec by the time the Vec is asked, as the Vec makes
// children under its lock, or was deleted, and then it never comes back.
func (s *Store) sweepVec(f *family, round uint64) {
	s.mu.Lock()
	known := make([]*core, 0, len(f.children))
	for _, m := range f.children {
		known = append(known, m.base())
	}
	s.mu.Unlock()
	if len(known) == 0 {
		return
	}
	for m := range collected(f.vec) {
		if c, ok := m.(child); ok {
			c.base().seen = round
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range known {
		if m := f.children[c.labels]; c.seen != round && m != nil && m.base() == c {
			s.bury(c)
		}
	}
	f.crowd = max(fewChildren, 2*len(f.children))
}

// collected yields the metrics of a collector. It must be drained.
func collected(c prometheus.Collector) <-chan prometheus.Metric {
	ch := make(chan prometheus.Metric, 64)
	go func() {
		defer close(ch)
		c.Collect(ch)
	}()
	return ch
}
