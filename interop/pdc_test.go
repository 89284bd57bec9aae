//go:build interop && linux

package interop_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/internal/redistest"
	"github.com/promfold/promfold/redisstore/foreign/foreigntest"
	"github.com/promfold/promfold/redisstore/pdc"
	"github.com/promfold/promfold/redisstore/pdcsqlite"
)

// pdcReleases are releases of prometheus-distributed-client, one at least of each
// layout in Redis.
var pdcReleases = []string{"1.2.2", "1.2.3", "2.0.1", "2.1.3", "2.1.5"}

func pdcPython(t *testing.T, release string) string {
	t.Helper()
	return foreignPython(t, "pdc-"+release, "prometheus_distributed_client")
}

func pdcReader(server *redistest.Server, prefix string) *pdc.Reader {
	return pdc.New(server.Client(), pdc.Options{Prefix: prefix, Logger: foreigntest.Quiet})
}

// sameExposition compares what we show with what the library shows, by samples and types.
func sameExposition(t *testing.T, got, want string) {
	t.Helper()
	samples := foreigntest.Samples(t, got)
	if len(samples) < 100 {
		t.Errorf("%d samples", len(samples))
	}
	foreigntest.Equal(t, samples, foreigntest.Samples(t, want))
	foreigntest.SameTypes(t, got, want)
}

// Property: what a release writes into Redis is shown as the release itself shows it.
func TestPDCReleases(t *testing.T) {
	for _, release := range pdcReleases {
		t.Run(release, func(t *testing.T) {
			python, server := pdcPython(t, release), redistest.Start(t, redistest.Options{})
			prefix := "it"
			if release == "1.2.2" {
				prefix = ""
			}
			want := runForeign(t, python, testdata("pdc/run.py"), "redis", server.Addr(), prefix, "1")
			got, counts := readForeign(t, pdcReader(server, prefix))
			sameExposition(t, got, want)
			if len(counts) > 0 {
				t.Errorf("counted %v", counts)
			}
		})
	}
}

// Property: the same of the SQLite file of the releases that have one.
func TestPDCSQLite(t *testing.T) {
	for _, release := range []string{"2.1.3", "2.1.5"} {
		t.Run(release, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "metrics.db")
			want := runForeign(t, pdcPython(t, release), testdata("pdc/run.py"), "sqlite", path, "1")
			got, counts := readForeign(t, pdcsqlite.New(path, pdcsqlite.Options{Logger: foreigntest.Quiet}))
			sameExposition(t, got, want)
			if len(counts) > 0 {
				t.Errorf("counted %v", counts)
			}
		})
	}
}

// Property: two releases that write into one database, as in the middle of a rollout,
// count together what each of them would count alone, in series of which none is there
// twice; that is counted too.
func TestPDCMixed(t *testing.T) {
	seeds := []string{"1", "2"}
	for _, pair := range [][2]string{{"2.1.3", "2.1.5"}, {"2.0.1", "2.1.5"}, {"1.2.3", "2.1.3"}} {
		t.Run(strings.Join(pair[:], " and "), func(t *testing.T) {
			server := redistest.Start(t, redistest.Options{})
			for i, release := range pair {
				runForeign(t, pdcPython(t, release), testdata("pdc/run.py"), "redis", server.Addr(), "it", "-"+seeds[i])
			}
			text, counts := readForeign(t, pdcReader(server, "it"))
			got := foreigntest.Samples(t, text)
			types := fixture.Parse(t, text).Types
			alone := make([]map[string]float64, len(pair))
			for i, release := range pair {
				one := redistest.Start(t, redistest.Options{})
				alone[i] = foreigntest.Samples(t, runForeign(t, pdcPython(t, release), testdata("pdc/run.py"), "redis", one.Addr(), "it", seeds[i]))
			}
			for name, v := range got {
				family, _, _ := strings.Cut(name, " ")
				_, both := alone[0][name]
				later, ok := alone[1][name]
				switch {
				case strings.HasSuffix(family, "_created"):
					continue // of another moment
				case types[family] != "gauge":
					later += alone[0][name]
				case both && !ok:
					later = alone[0][name]
				}
				if diff := v - later; diff > 1e-9*max(1, v) || diff < -1e-9*max(1, v) {
					t.Errorf("%s = %v, not %v", name, v, later)
				}
			}
			if len(got) < 100 || counts["duplicate"] == 0 || len(counts) != 1 {
				t.Errorf("%d samples, counted %v", len(got), counts)
			}
		})
	}
}
