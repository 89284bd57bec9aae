package directory_test

import (
	"bytes"
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

var update = flag.Bool("update", false, "write the golden directories anew")

// golden are directories as processes and archivers left them, by name. All of
// their processes are dead, on whatever machine the test runs.
var golden = map[string]func(*maker){
	"types":     (*maker).types,
	"archived":  (*maker).archived,
	"conflicts": (*maker).conflicts,
	"deletion":  (*maker).deletion,
}

// maker makes the files of a golden directory.
type maker struct {
	t        *testing.T
	dir      string
	w        *mmapstore.Writer
	families map[string]int // of w
}

func (m *maker) process(identity string) {
	w, err := mmapstore.Create(m.dir, mmapstore.WriterOptions{Identity: identity, FileMode: 0o644})
	must(m.t, err)
	m.w, m.families = w, make(map[string]int)
}

func (m *maker) put(f mmapstore.Family, label string, words ...uint64) mmapstore.Slot {
	family, ok := m.families[f.Name]
	if !ok {
		var err error
		family, err = m.w.AddFamily(f)
		must(m.t, err)
		m.families[f.Name] = family
	}
	var pairs []mmapstore.Label
	if label != "" {
		pairs = []mmapstore.Label{{Name: "code", Value: label}}
	}
	labels, err := mmapstore.EncodeLabels(pairs)
	must(m.t, err)
	s, err := m.w.AddSeries(family, labels, time.Now())
	must(m.t, err)
	if f.Mode.Timed() {
		mmapstore.SetLatest(s.Cells, math.Float64frombits(words[0]), int64(words[1]))
		return s
	}
	for i, v := range words {
		s.Cells[i].Store(v)
	}
	return s
}

func (m *maker) end() { must(m.t, m.w.Close()) }

func (m *maker) archive() {
	archive(m.t, m.dir, archiver.Options{})
	must(m.t, os.Remove(filepath.Join(m.dir, directory.HiddenName, directory.SpareName)))
}

func bits(v float64) uint64 { return math.Float64bits(v) }

func (m *maker) types() {
	for i := range uint64(2) {
		m.process([]string{"one", "two"}[i])
		m.put(mmapstore.Family{Name: "requests_total", Help: "Requests.", Type: mmapstore.Counter}, "200", 5+i, bits(0.5))
		m.put(mmapstore.Family{Name: "requests_total", Help: "Requests.", Type: mmapstore.Counter}, "5\"00", i)
		m.put(mmapstore.Family{Name: "wait_seconds", Help: "Time in line.", Unit: "seconds", Type: mmapstore.Histogram, Bounds: []float64{0.1, 1}}, "", bits(2.5), 1, 2, 3+i)
		m.put(mmapstore.Family{Name: "size_bytes", Type: mmapstore.Summary}, "", bits(100), 4)
		m.put(mmapstore.Family{Name: "legacy", Type: mmapstore.Untyped}, "", 1, bits(-0.25))
		m.put(mmapstore.Family{Name: "build_info", Type: mmapstore.Info, Mode: mmapstore.Max}, "", 1, bits(1))
		m.put(mmapstore.Family{Name: "queue_all", Type: mmapstore.Gauge, Mode: mmapstore.All}, "", 1, bits(float64(i)))
		m.put(mmapstore.Family{Name: "queue_max", Type: mmapstore.Gauge, Mode: mmapstore.Max}, "", i, bits(-7)) // set in two alone
		m.put(mmapstore.Family{Name: "queue_min", Type: mmapstore.Gauge, Mode: mmapstore.Min}, "", 1, bits(math.NaN()))
		m.put(mmapstore.Family{Name: "queue_sum", Type: mmapstore.Gauge, Mode: mmapstore.Sum}, "", 1, bits(1.5))
		m.put(mmapstore.Family{Name: "queue_latest", Type: mmapstore.Gauge, Mode: mmapstore.Latest}, "", bits(float64(i)), 1_700_000_000e9-i)
		m.put(mmapstore.Family{Name: "queue_live", Type: mmapstore.Gauge, Mode: mmapstore.LiveSum}, "", 1, bits(9))
		m.end()
	}
}

func (m *maker) archived() {
	m.types()
	m.archive()
	m.types()
}

func (m *maker) conflicts() {
	for i, mode := range []mmapstore.Mode{mmapstore.Max, mmapstore.Max, mmapstore.Sum} {
		m.process("p")
		m.put(mmapstore.Family{Name: "level", Help: []string{"Old.", "Older.", "New."}[i], Type: mmapstore.Gauge, Mode: mode}, "", 1, bits(float64(i+1)))
		m.put(mmapstore.Family{Name: "kind", Type: []mmapstore.Type{mmapstore.Counter, mmapstore.Counter, mmapstore.Untyped}[i]}, "", uint64(i+1))
		m.put(mmapstore.Family{Name: "h", Type: mmapstore.Histogram, Bounds: [][]float64{{1}, {2}, {1, 2}}[i]}, "", bits(1), 1, 1)
		if i == 1 {
			m.put(mmapstore.Family{Name: "s_count", Type: mmapstore.Counter}, "", 3)
		} else {
			m.put(mmapstore.Family{Name: "s", Type: mmapstore.Summary}, "", bits(1), 1)
		}
		if m.end(); i == 1 {
			m.archive()
		}
	}
}

func (m *maker) deletion() {
	c := mmapstore.Family{Name: "c_total", Type: mmapstore.Counter}
	m.process("old")
	m.put(c, "stays", 1)
	m.put(c, "goes", 1)
	m.put(c, "returns", 1)
	m.end()
	m.process("new")
	m.put(c, "stays", 10)
	for _, label := range []string{"goes", "returns"} {
		must(m.t, m.w.Delete(m.put(c, label, 10)))
	}
	m.archive() // forgets both
	s := m.put(c, "returns")
	s.Cells[0].Add(100)
	m.end()
}

// Property: each golden directory exposes what lies beside it.
func TestGoldenDirectories(t *testing.T) {
	for name, fill := range golden {
		t.Run(name, func(t *testing.T) {
			base := filepath.Join("..", "testdata", name)
			if *update {
				must(t, os.RemoveAll(base))
				must(t, os.MkdirAll(filepath.Join(base, "files"), 0o755))
				fill(&maker{t: t, dir: filepath.Join(base, "files")})
			}
			v := scan(t, follow(t, filepath.Join(base, "files"), directory.Options{}))
			if len(v.Problems) > 0 || v.Missing {
				t.Fatalf("problems %v", v.Problems)
			}
			r, err := aggregate.NewMerger(nil).Merge(v.Sources())
			must(t, err)
			var got bytes.Buffer
			for _, f := range r.Metrics() {
				_, err := expfmt.MetricFamilyToText(&got, f)
				must(t, err)
			}
			for _, c := range r.Conflicts {
				got.WriteString("# conflict " + string(c.Kind) + " " + c.Family + "\n")
			}
			expected := filepath.Join(base, "expected.prom")
			if *update {
				must(t, os.WriteFile(expected, got.Bytes(), 0o644))
			}
			want, err := os.ReadFile(expected)
			must(t, err)
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("got\n%s\nwant\n%s", got.Bytes(), want)
			}
		})
	}
}
