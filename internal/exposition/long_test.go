package exposition

import (
	"bytes"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/promfold/promfold/mmapstore"
)

// Property: of lines that are much longer than what they come from nothing is kept, and
// they are written all the same, a few series at a time.
func TestLongLines(t *testing.T) {
	f := &Family{Name: "h", Help: "Help.", Type: dto.MetricType_HISTOGRAM}
	for _, value := range []string{"a", "b", "c"} {
		labels, err := mmapstore.EncodeLabels([]mmapstore.Label{{Name: "l", Value: value + strings.Repeat("x", 4000)}})
		if err != nil {
			t.Fatal(err)
		}
		f.Series = append(f.Series, Series{Labels: labels, Bounds: []float64{1, 2, 3}})
	}
	values := make([]uint64, f.Words())
	for _, format := range []expfmt.FormatType{expfmt.TypeTextPlain, expfmt.TypeOpenMetrics} {
		style, _ := StyleOf(expfmt.NewFormat(format))
		var want bytes.Buffer
		if err := expfmt.NewEncoder(&want, expfmt.NewFormat(format)).Encode(f.DTO(values)); err != nil {
			t.Fatal(err)
		}
		var got []byte
		for i := range f.Series {
			got = f.Append(got, style, values, i, i+1)
		}
		if !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%v: %d bytes, want %d", format, len(got), want.Len())
		}
	}
	if n := distinct(f); n != 0 {
		t.Errorf("%d texts are kept", n)
	}
	if one, all := f.Within(1), f.Within(1<<20); one != 1 || all != 3 {
		t.Errorf("%d series within a byte, %d within a megabyte", one, all)
	}
}
