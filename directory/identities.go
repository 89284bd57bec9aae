package directory

import (
	"sync"

	"github.com/promfold/promfold/mmapstore"
)

// Identities gives processes that live at the same time different values of the
// label pid: in containers many a process has pid 1. Directories that are
// merged with each other share one. Goroutines may share it.
type Identities struct {
	mu     sync.Mutex
	owners map[string]mmapstore.ID
	names  map[mmapstore.ID]string
}

// NewIdentities makes an empty set.
func NewIdentities() *Identities {
	return &Identities{owners: make(map[string]mmapstore.ID), names: make(map[mmapstore.ID]string)}
}

// Assign returns the identity under which a live process is shown: the one it
// asks for or, as long as another has that, one with a suffix of its own. The
// answer stays the same until Release.
func (s *Identities) Assign(id mmapstore.ID, want string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name, ok := s.names[id]; ok {
		return name
	}
	name := want
	for n := 4; ; n += 4 {
		if _, taken := s.owners[name]; !taken {
			break
		}
		name = want + "-" + id.String()[:n]
	}
	s.owners[name], s.names[id] = id, name
	return name
}

// Release frees the identity of a process that is dead or gone.
func (s *Identities) Release(id mmapstore.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name, ok := s.names[id]; ok {
		delete(s.owners, name)
		delete(s.names, id)
	}
}
