package aggregate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// record is what the sources come to for others, by way of its bytes.
func record(t testing.TB, r *aggregate.Recorder, sources ...aggregate.Source) *aggregate.Archive {
	t.Helper()
	made, unread := r.Record(sources)
	if len(unread) > 0 {
		t.Fatal(unread)
	}
	again, err := aggregate.DecodeArchive(made.Encode())
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func recordOf(t testing.TB, sources ...aggregate.Source) *aggregate.Archive {
	t.Helper()
	return record(t, aggregate.NewRecorder(at(noon)), sources...)
}

// host is a host of the number, as others know it: by its record.
func host(n int, state mmapstore.State, r *aggregate.Archive) aggregate.Source {
	meta := aggregate.Meta{Name: fmt.Sprint("host ", n), State: state, Delayed: true}
	meta.ID[0], meta.ID[15] = byte(n), 'h'
	return r.As(meta)
}

// shown is all that a merge shows, created timestamps and help as well, and what it says
// of conflicts. Whose bounds differ is known to nobody else once a record has them all.
func shown(r *aggregate.Result) string {
	var lines []string
	for _, f := range r.Metrics() {
		lines = append(lines, f.String())
	}
	for _, c := range r.Conflicts {
		if c.Kind != aggregate.BoundsConflict {
			lines = append(lines, fmt.Sprint(c))
		}
	}
	return strings.Join(lines, "\n")
}
