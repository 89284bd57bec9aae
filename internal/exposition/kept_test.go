package exposition

import (
	"math"
	"sync"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"

	"github.com/promfold/promfold/mmapstore"
)

// someFamily has three series.
func someFamily(t *testing.T, name string, typ dto.MetricType) (f *Family, values []uint64) {
	t.Helper()
	f = &Family{Name: name, Help: "Help.", Type: typ, Spelling: map[float64]string{1: "1.0"}}
	for _, value := range []string{"1", "2", "3"} {
		labels, err := mmapstore.EncodeLabels([]mmapstore.Label{{Name: "n", Value: value}, {Name: "m", Value: "\n"}})
		if err != nil {
			t.Fatal(err)
		}
		s := Series{Labels: labels}
		if typ == dto.MetricType_HISTOGRAM {
			s.Bounds = []float64{1, 2, 3}
		}
		f.Series = append(f.Series, s)
	}
	for i := range f.Words() {
		values = append(values, []uint64{math.Float64bits(1.5), 7, math.Float64bits(1e9), 1e15, math.Float64bits(-3)}[i%5])
	}
	return f, values
}

// distinct is how many texts a family keeps.
func distinct(f *Family) int {
	texts := map[*lines]bool{}
	for i := range f.renderings {
		if r := f.renderings[i].Load(); r != nil {
			texts[r.lines] = true
		}
	}
	return len(texts)
}

var allTypes = []dto.MetricType{
	dto.MetricType_COUNTER, dto.MetricType_GAUGE, dto.MetricType_UNTYPED, dto.MetricType_SUMMARY, dto.MetricType_HISTOGRAM,
}

// Property: nothing is rendered that was not asked for, and nothing twice that is
// the same: plain names for all schemes, and for both formats where no bounds are
// written.
func TestKept(t *testing.T) {
	for _, typ := range allTypes {
		for _, c := range []struct {
			name                  string
			text, all, histograms int
		}{
			{"a_total", 1, 1, 2},
			{"a.b", 1, schemes, 2 * schemes},
		} {
			f, values := someFamily(t, c.name, typ)
			if n := distinct(f); n != 0 {
				t.Errorf("%v %s: %d texts before anything", typ, f.Name, n)
			}
			f.Append(nil, Style{scheme: model.DotsEscaping}, values, 0, 1)
			if n := distinct(f); n != c.text {
				t.Errorf("%v %s: %d texts after one, want %d", typ, f.Name, n, c.text)
			}
			for scheme := range schemes {
				for _, openMetrics := range []bool{false, true} {
					f.Append(nil, Style{openMetrics, model.EscapingScheme(scheme)}, values, 0, 3)
				}
			}
			want := c.all
			if typ == dto.MetricType_HISTOGRAM {
				want = c.histograms
			}
			if n := distinct(f); n != want {
				t.Errorf("%v %s: %d texts after all, want %d", typ, f.Name, n, want)
			}
		}
	}
}

// Property: goroutines that are the first to ask get one rendering.
func TestKeptOnce(t *testing.T) {
	few, _ := someFamily(t, "a_total", dto.MetricType_HISTOGRAM)
	for range 20 {
		f := &Family{Name: few.Name, Type: few.Type}
		for i := range 1000 { // so that all come before the first is done
			f.Series = append(f.Series, few.Series[i%3])
		}
		f.Words()
		var got [4]*rendering
		var wg sync.WaitGroup
		begin := make(chan struct{})
		for i := range got {
			wg.Go(func() {
				<-begin
				got[i] = f.rendered(Style{scheme: model.EscapingScheme(i % schemes)})
			})
		}
		close(begin)
		wg.Wait()
		for _, r := range got {
			if r != got[0] {
				t.Fatal("rendered twice")
			}
		}
	}
}

// Property: what is kept of a family has no room that will never be used, but for
// what the allocator rounds up.
func TestKeptSize(t *testing.T) {
	one, _ := someFamily(t, "a", dto.MetricType_COUNTER)
	for series := 1; series < 10_000; series += 1 + series/7 {
		f := &Family{Name: one.Name, Type: one.Type}
		for i := range series {
			f.Series = append(f.Series, one.Series[i%3])
			if i > 16 { // so that more is expected than comes, if anybody goes by the first ones
				f.Series[i].Labels = ""
			}
		}
		l := f.rendered(Style{}).lines
		if cap(l.text) > 16+len(l.text)*6/5 || len(l.ends) != series || cap(l.ends) != series {
			t.Errorf("%d bytes in %d, %d lines in %d", len(l.text), cap(l.text), series, cap(l.ends))
		}
	}
}

// Property: of rendered lines nothing is allocated, in a slice with room, and of a
// family as protobuf a number that does not depend on its series.
func TestAllocations(t *testing.T) {
	for _, typ := range allTypes {
		f, values := someFamily(t, "a.b", typ)
		b := make([]byte, 0, 1<<16)
		for scheme := range schemes {
			for _, openMetrics := range []bool{false, true} {
				style := Style{openMetrics, model.EscapingScheme(scheme)}
				if n := testing.AllocsPerRun(10, func() { b = f.Append(b[:0], style, values, 0, 3) }); n != 0 {
					t.Errorf("%v, %v: %v allocations", typ, style, n)
				}
			}
		}
		one := &Family{Name: f.Name, Help: f.Help, Type: typ, Series: f.Series[:1]}
		few := testing.AllocsPerRun(10, func() { one.DTO(values[:one.Words()]) })
		if more := testing.AllocsPerRun(10, func() { f.DTO(values) }); more != few || more > 16 {
			t.Errorf("%v: %v allocations for a series, %v for three", typ, few, more)
		}
	}
}
