//go:build unix

package stock_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// Property: what is over the limits is left out and said, a hundred times at most;
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
		"families by bounds": {"histogram_1.db", mmapstore.MaxFamilies + 1, func(i int) string { return fmt.Sprintf(`["h", "h_bucket", {"i":"%d", "le": "%d"}]`, i, i) },
			mmapstore.MaxFamilies, mmapstore.MaxFamilies, false},
		"bounds": {"histogram_1.db", mmapstore.MaxBounds + 1, func(i int) string { return fmt.Sprintf(`["h", "h_bucket", {"le": "%d"}]`, i) }, 0, 0, false},
		"just the bounds": {"histogram_1.db", mmapstore.MaxBounds, func(i int) string { return fmt.Sprintf(`["h", "h_bucket", {"le": "%d"}]`, i) },
			1, 1, false},
		"parts":  {"summary_1.db", 2*mmapstore.MaxBounds + 1, func(int) string { return `["s", "s_sum", {}]` }, 1, 1, false},
		"series": {"counter_1.db", mmapstore.MaxSeries + 1, func(i int) string { return fmt.Sprintf(`["x", "x", {"i": %d}]`, i) }, 1, mmapstore.MaxSeries, true},
		"words": {"metric_h___1.bin", mmapstore.MaxBounds + 5000, func(i int) string {
			return fmt.Sprintf("i=%d&le=%d", max(i, mmapstore.MaxBounds), min(i, mmapstore.MaxBounds-1))
		}, 1, mmapstore.MaxWords / (mmapstore.MaxBounds + 2), true},
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
			if n := strings.Count(fmt.Sprint(err), "\n") + 1; n > 100 {
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
