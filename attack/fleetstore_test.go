//go:build attack && linux

package attack_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/promfold/promfold/internal/redistest"
)

const fleetNamespace = "attack"

// fleetStore is a server, or a cluster of three.
type fleetStore struct {
	nodes   []*redistest.Server
	main    int // which node has the namespace
	url     string
	whole   func() // returns when all nodes serve
	persist redistest.Persist
	client  *redis.Client // of the main node
}

func startFleetStore(t testing.TB, persist redistest.Persist, clustered bool) *fleetStore {
	t.Helper()
	o := redistest.Options{Persist: persist}
	if !clustered {
		s := redistest.Start(t, o)
		return &fleetStore{nodes: []*redistest.Server{s}, url: s.URL(), whole: func() {}, persist: persist, client: s.Client()}
	}
	c := redistest.StartCluster(t, 3, o)
	s := &fleetStore{nodes: c.Nodes, url: c.URL(), whole: c.Await, persist: persist}
	slot, err := c.Client().ClusterKeySlot(t.Context(), "{"+fleetNamespace+"}").Result()
	if err != nil {
		t.Fatal(err)
	}
	s.main = int(slot) * len(c.Nodes) / 16384
	s.client = c.Nodes[s.main].Client()
	return s
}

// save has what there is found again after the next kill, by a server that keeps
// what was saved.
func (s *fleetStore) save(t testing.TB) {
	t.Helper()
	if err := s.client.Save(t.Context()).Err(); err != nil {
		t.Errorf("SAVE: %v", err)
	}
}

// index is what Redis says of the hosts and of the archive; see docs/fleet.md.
func (f *fleet) index() map[string]string {
	f.t.Helper()
	all, err := f.store.client.HGetAll(f.t.Context(), "promfold:{"+fleetNamespace+"}:index").Result()
	if err != nil {
		f.t.Fatal(err)
	}
	return all
}
