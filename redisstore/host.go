package redisstore

import (
	"fmt"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// host is what a reader knows of one.
type host struct {
	id    mmapstore.ID
	entry entry              // of the last index that had it
	seq   uint64             // of pub
	pub   publication        // as it travels, to be put back
	as    *aggregate.Archive // the schema that pub.schema says, with labels as they are shown
	named string             // the name in these labels
	stuck bool               // it cannot be folded as it is
	// record is the publication, with labels as they are shown; nil as long as
	// none could be read.
	record *aggregate.Archive
}

// label is the name of the label that tells hosts apart.
const label = "host"

// take reads a publication. What cannot be read changes nothing.
func (h *host) take(seq uint64, pub publication, byHost bool) error {
	as := h.as
	if h.outdated(pub.digest) {
		if len(pub.schema) == 0 {
			return fmt.Errorf("%w: no schema", mmapstore.ErrMalformed)
		}
		var err error
		if as, err = decodeSchema(pub.schema); err != nil {
			return err
		}
		if err := labelled(as, h.entry.name, byHost); err != nil {
			return err
		}
	} else {
		pub.schema = h.pub.schema
	}
	record, err := withValues(as, pub.values)
	if err != nil {
		return err
	}
	h.as, h.record, h.pub, h.seq, h.named, h.stuck = as, record, pub, seq, h.entry.name, false
	return nil
}

// outdated reports whether values of a schema of the digest need another schema than the
// known.
func (h *host) outdated(digest string) bool {
	return h.as == nil || digest != h.pub.digest || h.named != h.entry.name
}

// labelled adds the label host to gauges of which there is one for each process or, if
// byHost, to everything. As Prometheus does, a label of that name which a series has
// already is called exported_host.
func labelled(a *aggregate.Archive, name string, byHost bool) error {
	for i := range a.Schema.Series {
		s := &a.Schema.Series[i]
		if !byHost && !a.Schema.Families[s.Family].Mode.PerProcess() {
			continue
		}
		labels, err := withHost(s.Labels, name)
		if err != nil {
			return err
		}
		s.Labels = labels
	}
	return nil
}

func withHost(labels mmapstore.Labels, name string) (mmapstore.Labels, error) {
	pairs := labels.Pairs()
	taken := make(map[string]bool, len(pairs))
	for _, p := range pairs {
		taken[p.Name] = true
	}
	for i := range pairs {
		if pairs[i].Name == label {
			exported := "exported_" + label
			for taken[exported] {
				exported = "exported_" + exported
			}
			pairs[i].Name = exported
		}
	}
	return mmapstore.EncodeLabels(append(pairs, mmapstore.Label{Name: label, Value: name}))
}

// state tells a merge whether the host is there. One whose record was folded elsewhere, or
// that has said goodbye, is not.
func (h *host) state(now time.Time) mmapstore.State {
	if h.entry.live(now) {
		return mmapstore.Alive
	}
	return mmapstore.Dead
}

// stateName is a bounded word for a label value.
func (h *host) stateName(now time.Time) string {
	switch {
	case h.entry.final():
		return "final"
	case h.entry.live(now):
		return "live"
	default:
		return "expired"
	}
}

// foldedSeq is the number of the publication that an archive has absorbed.
func foldedSeq(e aggregate.Absorbed) uint64 { return e.Inode.Ino }

// source is the host as a contributor to a merge.
func (h *host) source(state mmapstore.State, k keys, labels []mmapstore.Label) aggregate.Source {
	return h.record.As(aggregate.Meta{
		ID: h.id, Name: fmt.Sprintf("%s of host %q", k.host(h.id), h.entry.name), State: state, Labels: labels, Delayed: true,
		Inode: aggregate.Inode{Ino: h.seq}, // which an archive that absorbs the host notes: see foldedSeq
	})
}
