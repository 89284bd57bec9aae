package foreign

import (
	"maps"
	"slices"
	"sync"
)

// keySet gathers keys that several nodes tell at once, some of them twice.
type keySet struct {
	mu   sync.Mutex // guards keys
	keys map[string]struct{}
}

func newKeySet() *keySet { return &keySet{keys: make(map[string]struct{})} }

func (s *keySet) add(keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		s.keys[key] = struct{}{}
	}
}

func (s *keySet) sorted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.keys))
}
