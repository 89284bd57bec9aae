//go:build unix

package stock_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/promfold/promfold/mmapstore"
)

// entries is a file of n entries with the keys that key makes, written at once.
func entries(t *testing.T, base string, n int, key func(i int) string) string {
	b := make([]byte, 8)
	for i := range n {
		k := key(i)
		if strings.HasSuffix(base, ".bin") { // the length counts the padding
			k += strings.Repeat(" ", 8-(len(k)+4)%8)
			b = append(binary.NativeEndian.AppendUint32(b, uint32(len(k))), k...)
			b = binary.NativeEndian.AppendUint64(b, 0x3ff0000000000000)
			continue
		}
		b = binary.NativeEndian.AppendUint32(b, uint32(len(k)))
		b = append(append(b, k...), strings.Repeat(" ", 8-(len(k)+4)%8)...)
		b = binary.NativeEndian.AppendUint64(b, 0x3ff0000000000000)
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	path := filepath.Join(t.TempDir(), base)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Property: what is over the limits is left out and said, ten times at most;
// what is within them is read.
func TestLimits(t *testing.T) {
	for name, row := range map[string]struct {
		base     string
		n        int
		key      func(i int) string
		families int
		series   int
		large    bool
	}{
		"families": {"counter_1.db", mmapstore.MaxFamilies + 200, func(i int) string { return fmt.Sprintf(`["x", "x%d", {}]`, i) }, mmapstore.MaxFamilies, mmapstore.MaxFamilies, false},
		"families by bounds": {"histogram_1.db", 2*mmapstore.MaxFamilies + 2, func(i int) string {
			return fmt.Sprintf(`["h", "h_bucket", {"i":"%d", "le": "%d"}]`, i/2, []int{i / 2 % 150, 1000 + i/300}[i%2])
		}, mmapstore.MaxFamilies, mmapstore.MaxFamilies, false},
		"bounds of a metric": {"histogram_1.db", 20_000, func(i int) string { return fmt.Sprintf(`["h", "h_bucket", {"i":"%d", "le": "%d"}]`, i, i) },
			mmapstore.MaxBounds, mmapstore.MaxBounds, false},
		"sparse bounds": {"metric_h___1.bin", 20_000, func(i int) string { return fmt.Sprintf("i=%d&le=%d", i, i) },
			mmapstore.MaxBounds, mmapstore.MaxBounds, false},
		"bounds": {"histogram_1.db", mmapstore.MaxBounds + 1, func(i int) string { return fmt.Sprintf(`["h", "h_bucket", {"le": "%d"}]`, i) }, 1, 1, false},
		"just the bounds": {"histogram_1.db", mmapstore.MaxBounds, func(i int) string { return fmt.Sprintf(`["h", "h_bucket", {"le": "%d"}]`, i) },
			1, 1, false},
		"parts":  {"summary_1.db", 2*mmapstore.MaxBounds + 1, func(int) string { return `["s", "s_sum", {}]` }, 1, 1, false},
		"series": {"counter_1.db", mmapstore.MaxSeries + 1, func(i int) string { return fmt.Sprintf(`["x", "x", {"i": %d}]`, i) }, 1, mmapstore.MaxSeries, true},
		"words": {"metric_h___1.bin", mmapstore.MaxWords/34 + 100, func(i int) string {
			return fmt.Sprintf("i=%d&le=%d", max(i, 31), min(i, 31))
		}, 1, mmapstore.MaxWords / 34, true},
	} {
		t.Run(name, func(t *testing.T) {
			if row.large && testing.Short() {
				t.Skip("a large file")
			}
			path := entries(t, row.base, row.n, row.key)
			r := open(t, path, row.base)
			err := r.Refresh()
			if errors.Is(err, mmapstore.ErrLimit) == (name == "just the bounds") {
				t.Errorf("refresh says %.200v", err)
			}
			text := fmt.Sprint(err)
			if n := strings.Count(text, "\n") + 1; n > 11 {
				t.Errorf("it says so in %d lines", n)
			}
			s := r.Schema()
			if row.families > 0 && len(s.Families) != row.families || row.series > 0 && len(s.Series) != row.series {
				t.Errorf("%d families, %d series", len(s.Families), len(s.Series))
			}
			if err := r.Load(make([]uint64, s.Words)); err != nil {
				t.Error(err)
			}
			assertSchema(t, &s)
		})
	}
}

// Property: places beyond the first are counted; bounds that are too many are one
// of them.
func TestDamageIsCounted(t *testing.T) {
	for name, row := range map[string]struct {
		key   func(i int) string
		n     int
		lines int
		more  string
	}{
		"entries": {func(i int) string { return fmt.Sprintf(`["h", "h_bucket", {"le": ["%d"]}]`, i) }, 50, 11, "and 40 more"},
		"series":  {func(i int) string { return fmt.Sprintf(`["h", "h_bucket", {"i": "%d", "le": "x"}]`, i) }, 50, 11, "and 40 more"},
		"bounds":  {func(i int) string { return fmt.Sprintf(`["h", "h_bucket", {"le": "%d"}]`, i) }, mmapstore.MaxBounds + 50, 2, "and 49 more"},
		"few":     {func(i int) string { return fmt.Sprintf(`["h", "h_bucket", {"le": ["%d"]}]`, i) }, 10, 10, ""},
	} {
		r := open(t, entries(t, "histogram_1.db", row.n, row.key), "histogram_1.db")
		for range 2 {
			text := fmt.Sprint(r.Refresh())
			if lines := strings.Count(text, "\n") + 1; lines != row.lines || !strings.HasSuffix(text, row.more) {
				t.Errorf("%s: %d lines, %s", name, lines, text)
			}
		}
	}
}

// Property: what is laid out for a file is in proportion to its entries, whatever
// bounds they name; what an application has is united.
func TestSparseBoundsInProportion(t *testing.T) {
	const sets = 4000
	for name, row := range map[string]struct {
		bounds   int
		families int
	}{"a client's": {30, 1}, "each its own": {sets, sets}} {
		path := entries(t, "metric_h___1.bin", sets, func(i int) string { return fmt.Sprintf("i=%d&le=%d", i, i%row.bounds) })
		r := open(t, path, "metric_h___1.bin")
		if err := r.Refresh(); err != nil {
			t.Fatal(err)
		}
		s := r.Schema()
		if len(s.Families) != row.families || len(s.Series) != sets || s.Words > 34*sets {
			t.Errorf("%s: %d families, %d series, %d words", name, len(s.Families), len(s.Series), s.Words)
		}
		assertSchema(t, &s)
	}
}

// Property: reading a file for the first time allocates in proportion to what is
// in it, not to what its size claims.
func TestColdReadAllocatesLittle(t *testing.T) {
	const n = 15_000
	path := entries(t, "counter_1.db", n, func(i int) string {
		return fmt.Sprintf(`["http_requests", "http_requests_total", {"code": "200", "method": "GET", "path": "/api/v1/item/%d"}, "Help."]`, i)
	})
	if err := os.Truncate(path, 1<<30); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := open(t, path, "counter_1.db")
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	if err := r.Load(make([]uint64, r.Schema().Words)); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / n; each > 450 { // 370 under the race detector
		t.Errorf("%d bytes are allocated for an entry", each)
	}
}
