package exposition_test

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/internal/exposition"
	"github.com/promfold/promfold/mmapstore"
)

// Property: of any names, texts and numbers, what is appended in each format and
// escaping scheme is what expfmt writes, and what is built is what it would be
// built by hand.
func FuzzAppend(f *testing.F) {
	words := func(numbers ...float64) (b []byte) {
		for _, v := range numbers {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
		return b
	}
	f.Add("http_requests_total", "Help.", "", "code", "200", uint8(0), words(1, 1e6, 1e9, 0.1))
	f.Add("a.total", "H\n\\\"", "bytes", "c d", "\"\\\n", uint8(5), words(math.Inf(1), math.NaN(), -0.5))
	f.Add("a{b=\"\n", "", "\"", "__name__", "\x00\xff", uint8(0x42), words(1<<53, -1, 1e21))
	f.Add("h", "H", "", "le", "1", uint8(0x33), words(-1, 0.5, 1, 1e6, 1e6+1, 1<<60, 7))
	f.Add("_total", "H", "", ":", "", uint8(0x74), words(-999_999.5, 999_999, 12))
	f.Fuzz(func(t *testing.T, name, help, unit, label, value string, kind uint8, numbers []byte) {
		family := anyFamily(name, help, unit, label, value, kind, numbers)
		if family == nil {
			return
		}
		var values []uint64
		for i := range family.Words() {
			values = append(values, word(numbers, i))
		}
		check(t, family, values)
	})
}

// word is one of the numbers, which begin again behind the last.
func word(numbers []byte, i int) uint64 {
	var b [8]byte
	if len(numbers) > 0 {
		copy(b[:], numbers[i*len(b)%len(numbers):])
	}
	return binary.LittleEndian.Uint64(b[:])
}

// anyFamily is nil if the label can be none. The high half of kind is how many
// series there are, the first without the label.
func anyFamily(name, help, unit, label, value string, kind uint8, numbers []byte) *exposition.Family {
	labels, err := mmapstore.EncodeLabels([]mmapstore.Label{{Name: label, Value: value}})
	if err != nil {
		return nil
	}
	f := &exposition.Family{Name: name, Help: help, Unit: unit}
	f.Type = []dto.MetricType{
		dto.MetricType_COUNTER, dto.MetricType_GAUGE, dto.MetricType_UNTYPED, dto.MetricType_HISTOGRAM, dto.MetricType_SUMMARY,
	}[kind%16%5]
	var bounds []float64
	for i := range min(len(numbers)/8, 20) {
		if v := math.Float64frombits(word(numbers, i)); !math.IsNaN(v) && !math.IsInf(v, 0) {
			bounds = append(bounds, v)
		}
	}
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	for i := range int(kind / 16) {
		s := exposition.Series{Created: int64(word(numbers, i))}
		if i > 0 {
			s.Labels = labels
		}
		if f.Type == dto.MetricType_HISTOGRAM {
			s.Bounds = bounds[min(i/2, len(bounds)):]
		}
		f.Series = append(f.Series, s)
	}
	return f
}
