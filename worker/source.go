package worker

import (
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// source is something to take snapshots of.
type source struct {
	gatherer prometheus.Gatherer
	// own: what was registered with the store. The registry has seen to it that
	// it does not clash with what is native.
	own bool
	// tag is not empty for a source whose families are beside native ones of
	// the same name.
	tag string
	// of is the family beside which the source is, and with which it goes.
	of *family
}

// sources may be added to while a snapshot is taken.
type sources struct {
	mu  sync.Mutex
	all []source
}

func (l *sources) list() []source {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all[:len(l.all):len(l.all)]
}

func (t *snapshots) add(src source) {
	t.added.mu.Lock()
	defer t.added.mu.Unlock()
	t.added.all = append(t.added.all, src)
}

// drop takes out what is beside a family.
func (t *snapshots) drop(f *family) {
	t.added.mu.Lock()
	defer t.added.mu.Unlock()
	t.added.all = slices.DeleteFunc(slices.Clone(t.added.all), func(src source) bool { return src.of == f })
}

// addLeftover adds what a Vec held before it became native. There is nothing in
// it unless somebody curried the Vec before.
func (t *snapshots) addLeftover(vec *prometheus.MetricVec, f *family) {
	t.add(source{gatherer: leftover{vec}, own: true, tag: "leftover", of: f})
}

// leftover gathers a Vec, and costs next to nothing while that is empty.
type leftover struct{ vec *prometheus.MetricVec }

func (l leftover) Gather() ([]*dto.MetricFamily, error) {
	if !hasChildren(l.vec) {
		return nil, nil
	}
	r := prometheus.NewRegistry()
	if err := r.Register(l.vec); err != nil {
		return nil, err
	}
	return r.Gather()
}
