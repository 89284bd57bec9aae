//go:build redis && linux

package redisstore_test

import (
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
)

// local is the sources of hosts' directories, as one process that has all of them takes
// them.
func local(t testing.TB, sites ...*site) (all []aggregate.Source) {
	t.Helper()
	ids := directory.NewIdentities()
	for _, s := range sites {
		d := directory.New(s.dir, directory.Options{Identities: ids})
		t.Cleanup(func() { _ = d.Close() })
		view, err := d.Scan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(view.Close)
		all = append(all, view.Sources()...)
	}
	return all
}

// counted is what a host has counted by itself.
func (s *site) counted() float64 {
	s.t.Helper()
	return merged(s.t, local(s.t, s)).Sum("jobs_total")
}
