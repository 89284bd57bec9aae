package aggregate_test

import (
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// Property: a younger process of the same families and series, on one of two hosts that
// disagree about a type, decides for a reader that has followed both as for a new one.
func TestBirthBehindTheSameLayout(t *testing.T) {
	older := process(1).counter("m", 1, 0)
	other := host(2, mmapstore.Alive, recordOf(t, process(2).gauge("m", mmapstore.Max, 7)))
	warm, recorder := aggregate.NewMerger(at(noon)), aggregate.NewRecorder(at(noon))
	for _, look := range []struct {
		fakes []*fake
		want  string
	}{
		{[]*fake{older}, "m 7"},
		{[]*fake{older, process(3).counter("m", 5, 0)}, "m 6"},
		{[]*fake{older}, "m 7"},
	} {
		all := []aggregate.Source{host(1, mmapstore.Alive, record(t, recorder, sources(look.fakes)...)), other}
		if got := samples(t, mergeBy(t, warm, all...).Metrics()); got != look.want {
			t.Errorf("%s, want %s", got, look.want)
		}
	}
}
