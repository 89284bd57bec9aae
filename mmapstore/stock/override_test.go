//go:build unix

package stock_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/mmapstore/pydb"
	"github.com/promfold/promfold/mmapstore/stock"
)

// Property: what the operator says of a family is seen at the next refresh, in a
// layout of another version; what changes nothing lays out nothing. No key is
// parsed again.
func TestOverrides(t *testing.T) {
	for name, row := range map[string]struct {
		base, key string
		override  mmapstore.Override
		want      mmapstore.Family // no name: dropped
		anew      bool
	}{
		"nothing":          {"counter_1.db", `["x", "x_total", {}, "Help."]`, mmapstore.Override{}, mmapstore.Family{Name: "x_total", Help: "Help.", Type: mmapstore.Counter}, false},
		"the metric":       {"counter_1.db", `["x_total", "y", {}, "Help."]`, mmapstore.Override{Drop: true}, mmapstore.Family{Name: "y", Help: "Help.", Type: mmapstore.Counter}, false},
		"help":             {"counter_1.db", `["x", "x_total", {}]`, mmapstore.Override{Help: "H"}, mmapstore.Family{Name: "x_total", Help: "H", Type: mmapstore.Counter}, true},
		"drop":             {"counter_1.db", `["x", "x_total", {}]`, mmapstore.Override{Drop: true}, mmapstore.Family{}, true},
		"untyped":          {"counter_1.db", `["x", "x_total", {}, "Help."]`, mmapstore.Override{Type: mmapstore.Untyped}, mmapstore.Family{Name: "x_total", Help: "Help.", Type: mmapstore.Untyped}, true},
		"counter to gauge": {"counter_1.db", `["x", "x_total", {}, "Help."]`, mmapstore.Override{Type: mmapstore.Gauge, Mode: mmapstore.LiveMax}, mmapstore.Family{Name: "x_total", Help: "Help.", Type: mmapstore.Gauge, Mode: mmapstore.LiveMax}, true},
		"mode of counter":  {"counter_1.db", `["x", "x_total", {}, "Help."]`, mmapstore.Override{Mode: mmapstore.LiveMax}, mmapstore.Family{Name: "x_total", Help: "Help.", Type: mmapstore.Counter}, false},
		"mode":             {"gauge_all_1.db", `["x_total", "x_total", {}, "Help."]`, mmapstore.Override{Mode: mmapstore.Latest}, mmapstore.Family{Name: "x_total", Help: "Help.", Type: mmapstore.Gauge, Mode: mmapstore.Latest}, true},
		"gauge to counter": {"gauge_all_1.db", `["x_total", "x_total", {}, "Help."]`, mmapstore.Override{Type: mmapstore.Counter}, mmapstore.Family{Name: "x_total", Help: "Help.", Type: mmapstore.Counter}, true},
		"bad mode":         {"gauge_all_1.db", `["x_total", "x_total", {}, "Help."]`, mmapstore.Override{Mode: 99}, mmapstore.Family{Name: "x_total", Help: "Help.", Type: mmapstore.Gauge, Mode: mmapstore.All}, false},
		"summary":          {"summary_1.db", `["x_total", "x_total_sum", {}, "Help."]`, mmapstore.Override{Type: mmapstore.Counter, Mode: mmapstore.Max}, mmapstore.Family{Name: "x_total", Help: "Help.", Type: mmapstore.Summary}, false},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), row.base)
			fixture.Create(t, path, 4096).Add(row.key, 5, 0)
			r := open(t, path, row.base)
			if err := r.Refresh(); err != nil {
				t.Fatal(err)
			}
			before := r.Schema()
			overrides := mmapstore.Overrides{"x_total": row.override}
			r.SetOverrides(overrides)
			for range 2 {
				r.SetOverrides(overrides)
				if err := r.Refresh(); err != nil {
					t.Fatal(err)
				}
			}
			checkFamily(t, r, row.want)
			after := r.Schema()
			if after.Version-before.Version != map[bool]uint64{true: 1}[row.anew] {
				t.Errorf("version %d became %d", before.Version, after.Version)
			}
			if err := r.Load(make([]uint64, before.Words)); errors.Is(err, stock.ErrRedone) != row.anew {
				t.Errorf("load for the old schema says %v", err)
			}
			if r.ParsedBytes() != int64(8+(len(row.key)+4)/8*8+16) {
				t.Errorf("%d bytes parsed", r.ParsedBytes())
			}
			at, err := pydb.Open(path, row.base, stock.Options{Overrides: overrides})
			if err != nil {
				t.Fatal(err)
			}
			defer at.Close()
			if err := at.Refresh(); err != nil {
				t.Fatal(err)
			}
			checkFamily(t, at, row.want)
		})
	}
}

// checkFamily expects one family with one series of value 5, or nothing.
func checkFamily(t *testing.T, r *stock.Reader, want mmapstore.Family) {
	t.Helper()
	s := r.Schema()
	words := make([]uint64, s.Words)
	if err := r.Load(words); err != nil {
		t.Error(err)
	}
	if want.Name == "" {
		if len(s.Families) > 0 || len(s.Series) > 0 {
			t.Errorf("families %+v", s.Families)
		}
		return
	}
	if len(s.Families) != 1 || len(s.Series) != 1 {
		t.Fatalf("families %+v, %d series", s.Families, len(s.Series))
	}
	f := s.Families[0]
	if f.Name != want.Name || f.Help != want.Help || f.Type != want.Type || f.Mode != want.Mode {
		t.Errorf("family %+v, want %+v", f, want)
	}
	value := s.Series[0].Word + 1
	if f.Type == mmapstore.Summary {
		value--
	}
	if words[value] != 0x4014000000000000 { // 5
		t.Errorf("words %x", words)
	}
}
