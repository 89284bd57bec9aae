package rubydb

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/internal/fixture/naive"
	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/mmapstore/stock"
)

// Property: names are told as the client makes them; others are not ours.
func TestNames(t *testing.T) {
	for base, want := range map[string]struct {
		family string
		pid    int
	}{
		"metric_x___1.bin":             {"x", 1},
		"metric_a_b___23.bin":          {"a_b", 23},
		"metric_a___2___23.bin":        {"a___2", 23},
		"metric_ns:x_total___9.bin":    {"ns:x_total", 9},
		"metric_x____1.bin":            {"x_", 1},
		"metric_x___99999999999.bin":   {"x", 0},
		"metric_metric_x___000012.bin": {"metric_x", 12},
	} {
		n, ok := parseName(base)
		if !ok || !IsFileName(base) || n.family != want.family || n.number() != want.pid {
			t.Errorf("%s is %+v, %v", base, n, ok)
		}
	}
	for _, base := range []string{
		"", "metric_x.bin", "metric_x___.bin", "metric____1.bin", "metric_x___1.db", "metric_x___1", "metric_x___a.bin",
		"metric_x___-1.bin", "x___1.bin", "metric_\xff___1.bin", "metric_x___1.bin~", "metric_x__1.bin",
	} {
		if IsFileName(base) {
			t.Errorf("%q is ours", base)
		}
		if r, err := Open(base, base, stock.Options{}); err == nil {
			r.Close()
			t.Errorf("%q was opened", base)
		}
	}
}

// values are those of a reader, by name and labels.
func values(t *testing.T, r *stock.Reader) map[string]float64 {
	t.Helper()
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, s := range contents(t, r) {
		labels := s.Labels
		if s.Bucket {
			labels = naive.WithBound(labels, s.Le)
		}
		got[fixture.Series(s.Name, labels)] += s.Value
	}
	return got
}

// Property: keys tell the type, as far as they do; what the operator says of it
// comes first, and leaves all labels as they are.
func TestTypes(t *testing.T) {
	histogram := []string{"le=1&p=a", "le=sum&p=a", "le=%2BInf&p=a"}
	summary := []string{"p=a&quantile=count", "p=a&quantile=sum"}
	for name, row := range map[string]struct {
		keys     []string // with the values 1, 2, ...
		override mmapstore.Override
		typ      mmapstore.Type
		mode     mmapstore.Mode
		want     map[string]float64
	}{
		"plain":   {[]string{"p=a", ""}, mmapstore.Override{}, mmapstore.Untyped, 0, map[string]float64{`x p="a"`: 1, `x`: 2}},
		"counter": {[]string{"p=a"}, mmapstore.Override{Type: mmapstore.Counter}, mmapstore.Counter, 0, map[string]float64{`x p="a"`: 1}},
		"gauge":   {[]string{"p=a"}, mmapstore.Override{Type: mmapstore.Gauge}, mmapstore.Gauge, mmapstore.Sum, map[string]float64{`x p="a"`: 1}},
		"mode":    {[]string{"p=a"}, mmapstore.Override{Mode: mmapstore.Max}, mmapstore.Gauge, mmapstore.Max, map[string]float64{`x p="a"`: 1}},
		"no mode of a counter": {[]string{"p=a"}, mmapstore.Override{Type: mmapstore.Counter, Mode: mmapstore.Max},
			mmapstore.Counter, 0, map[string]float64{`x p="a"`: 1}},
		"no type we take": {[]string{"p=a"}, mmapstore.Override{Type: mmapstore.Histogram}, mmapstore.Untyped, 0, map[string]float64{`x p="a"`: 1}},
		"histogram": {histogram, mmapstore.Override{}, mmapstore.Histogram, 0,
			map[string]float64{`x_bucket le="1" p="a"`: 1, `x_sum p="a"`: 2, `x_bucket le="+Inf" p="a"`: 3}},
		"no histogram": {histogram, mmapstore.Override{Type: mmapstore.Untyped}, mmapstore.Untyped, 0,
			map[string]float64{`x le="1" p="a"`: 1, `x le="sum" p="a"`: 2, `x le="+Inf" p="a"`: 3}},
		"summary": {summary, mmapstore.Override{}, mmapstore.Summary, 0, map[string]float64{`x_count p="a"`: 1, `x_sum p="a"`: 2}},
		"no summary": {summary, mmapstore.Override{Type: mmapstore.Counter}, mmapstore.Counter, 0,
			map[string]float64{`x p="a" quantile="count"`: 1, `x p="a" quantile="sum"`: 2}},
		"not all of a summary": {append(summary[:2:2], "p=a"), mmapstore.Override{}, mmapstore.Untyped, 0,
			map[string]float64{`x p="a" quantile="count"`: 1, `x p="a" quantile="sum"`: 2, `x p="a"`: 3}},
		"quantiles": {[]string{"quantile=0.5"}, mmapstore.Override{}, mmapstore.Untyped, 0, map[string]float64{`x quantile="0.5"`: 1}},
		"dropped":   {histogram, mmapstore.Override{Drop: true}, 0, 0, map[string]float64{}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "metric_x___1.bin")
			f := fixture.Create(t, path, 256)
			step := open(t, path, "metric_x___1.bin", mmapstore.Overrides{"x": row.override})
			late := open(t, path, "metric_x___1.bin", nil)
			for i, key := range row.keys {
				f.AddWithin(key, float64(i+1), 0)
				values(t, step)
			}
			values(t, late)
			late.SetOverrides(mmapstore.Overrides{"x": row.override})
			for _, r := range []*stock.Reader{step, late} {
				if got := values(t, r); !reflect.DeepEqual(got, row.want) {
					t.Errorf("%v, want %v", got, row.want)
				}
				for _, f := range r.Schema().Families {
					if f.Type != row.typ || f.Mode != row.mode || f.Name != "x" {
						t.Errorf("family %+v", f)
					}
				}
			}
		})
	}
}

// Property: whenever a bucket of a histogram is met for the first time, all label
// sets of the file have its bound from then on.
func TestBucketsThatAppear(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metric_h___1.bin")
	f := fixture.Create(t, path, 256)
	r := open(t, path, "metric_h___1.bin", nil)
	bounds, order := []float64{}, []float64{1e-7, 2.5, 10, 1, -5}
	for i, bound := range order {
		text := strings.Replace(fmt.Sprintf("%v", bound), "e-", ".0e-", 1)
		for j := range 3 {
			f.AddWithin(fmt.Sprintf("i=%d&le=%s", j, text), float64(i+j), 1)
			got := values(t, r)
			s := r.Schema()
			if len(s.Families) != 1 || !s.Families[0].Partial {
				t.Fatalf("families %+v", s.Families)
			}
			if key := fmt.Sprintf(`h_bucket i="%d" le="%s"`, j, fmt.Sprint(bound)); got[key] != float64(i+j) {
				t.Fatalf("%s is %v in %v", key, got[key], got)
			}
		}
		bounds = append(bounds, bound)
		if got := r.Schema().Families[0]; len(got.Bounds) != len(bounds) || got.Spelled == nil || r.Schema().Version < uint64(i) {
			t.Errorf("bounds %v, spelled %q, version %d", got.Bounds, got.Spelled, r.Schema().Version)
		}
	}
	got := r.Schema().Families[0]
	if !reflect.DeepEqual(got.Bounds, []float64{-5, 1e-7, 1, 2.5, 10}) ||
		!reflect.DeepEqual(got.Spelled, []string{"-5", "1.0e-07", "1", "2.5", "10"}) {
		t.Errorf("bounds %v, spelled %q", got.Bounds, got.Spelled)
	}
}

// Property: files of client_ruby before 2.1, without times, are read as well.
func TestWithoutTimes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metric_x___1.bin")
	f := fixture.Create(t, path, 256)
	for i := range 20 {
		f.AddWithin(fmt.Sprintf("i=%d", i), float64(i))
	}
	r := open(t, path, "metric_x___1.bin", mmapstore.Overrides{"x": {Mode: mmapstore.Latest}})
	if got := values(t, r); len(got) != 20 || got[`x i="7"`] != 7 {
		t.Errorf("%v", got)
	}
	for _, s := range contents(t, r) {
		if !s.Set || s.Time != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// Property: the time of a set is the time of day, within what clocks differ.
func TestTimeOfSet(t *testing.T) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "metric_x___1.bin")
	f := fixture.Create(t, path, 256)
	f.AddWithin("is=now", 1, float64(ts.Nano())/1e9)
	f.AddWithin("is=never", 0, 0)
	r := open(t, path, "metric_x___1.bin", mmapstore.Overrides{"x": {Mode: mmapstore.Latest}})
	values(t, r)
	for _, s := range contents(t, r) {
		ago := time.Since(time.Unix(0, s.Time))
		if !s.Set || s.Labels["is"] == "now" && (ago < -time.Second || ago > time.Minute) || s.Labels["is"] == "never" && s.Time != 0 {
			t.Errorf("%+v, %v ago", s, ago)
		}
	}
	for _, seconds := range []float64{math.NaN(), -1, 0} {
		if got := clock(5).nanoseconds(seconds); got != 0 {
			t.Errorf("%v s are %d ns", seconds, got)
		}
	}
	for _, seconds := range []float64{math.Inf(1), 1e300, 9.3e9} {
		if got := clock(1 << 60).nanoseconds(seconds); got != math.MaxInt64 {
			t.Errorf("%v s are %d ns", seconds, got)
		}
	}
}

// Property: any bytes are a key exactly if they are a query as the client writes
// it, and then names and values are what net/url makes of them.
func FuzzKey(f *testing.F) {
	for _, key := range []string{
		"    ", "a=1 ", "a=1&b=+%2B ", "a=%C3%A4&le=1.0e-07   ", "a=%zz ", "a ", "=1 ", "a=1& ", "a=1=2 ", "a b=1 ", "a=1", "le=sum ",
		"a=%ff%FF ", "quantile=sum&le=1 ", "a=1&a=2 ", "a=%2 ", "a=% ", "a=1         ",
	} {
		f.Add([]byte(key))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		var k stock.Key
		err := newFormat(name{family: "x", pid: "1"}, 0).Decode(key, &k)
		if err != nil && !errors.Is(err, stock.ErrKey) {
			t.Fatal(err)
		}
		want, ok := query(string(key))
		if ok != (err == nil) {
			t.Fatalf("%q: %v, net/url: %v", key, err, ok)
		}
		got := make(map[string]int)
		for _, l := range k.Labels {
			got[string(l.Name)+"\x00"+string(l.Value)]++
		}
		if k.MarkName != "" {
			got[k.MarkName+"\x00"+string(k.Mark)]++
		}
		if ok && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %v, want %v", key, got, want)
		}
	})
}

// query reads a key with net/url, which takes more than the client writes.
func query(key string) (pairs map[string]int, ok bool) {
	text := strings.TrimRight(key, " ")
	padding := len(key) - len(text)
	pairs = make(map[string]int)
	if padding < 1 || padding > 8 || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, false
	}
	for _, pair := range strings.Split(text, "&") {
		if text == "" {
			break
		}
		name, value, found := strings.Cut(pair, "=")
		if !found || name == "" || strings.Contains(value, "=") {
			return nil, false
		}
		n, err1 := url.QueryUnescape(name)
		v, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil {
			return nil, false
		}
		pairs[n+"\x00"+v]++
	}
	return pairs, true
}
