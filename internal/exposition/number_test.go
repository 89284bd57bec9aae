package exposition

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// shortest is the number as strconv has it, and as expfmt writes it from there.
func shortest(v float64, openMetrics bool) string {
	if v == 0 {
		v = 0 // expfmt shows no sign of it
	}
	s := strconv.FormatFloat(v, 'g', -1, 64)
	if openMetrics && !strings.ContainsAny(s, "e.IN") {
		s += ".0"
	}
	return s
}

// eachNumber calls f with the edges of all forms and what is around them, and then
// with others of all sizes, most of them whole.
func eachNumber(f func(float64)) {
	around := func(v float64) {
		for below, above, n := v, v, 0; n < 3; n++ {
			f(below)
			f(above)
			below, above = math.Nextafter(below, math.Inf(-1)), math.Nextafter(above, math.Inf(+1))
		}
		for d := -3.0; d <= 3; d++ {
			f(v + d)
		}
	}
	for e := -30; e <= 30; e++ {
		around(math.Pow10(e))
		around(9.5 * math.Pow10(e))
	}
	for e := -70.0; e <= 70; e++ {
		around(math.Exp2(e))
	}
	for _, v := range []float64{0, math.NaN(), math.Inf(+1), math.MaxFloat64, math.SmallestNonzeroFloat64} {
		around(v)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 300_000 {
		f(float64(r.Uint64() >> r.UintN(64)))
		f(float64(r.IntN(1000)) * math.Pow10(r.IntN(16)))
		f(math.Float64frombits(r.Uint64()))
		f(math.Trunc(1e6 * r.Float64()))
	}
}

// Property: every float is written as strconv writes it, of either sign.
func TestFloats(t *testing.T) {
	b := make([]byte, 0, 64)
	eachNumber(func(v float64) {
		for _, v := range []float64{v, -v} {
			for _, openMetrics := range []bool{false, true} {
				b = appendFloat(append(b[:0], '='), v, openMetrics)
				if want := "=" + shortest(v, openMetrics); string(b) != want {
					t.Fatalf("%s, want %s", b, want)
				}
			}
		}
	})
	for n := range 1_000_000 {
		if b = appendFloat(b[:0], float64(n), false); string(b) != strconv.Itoa(n) {
			t.Fatalf("%s, want %d", b, n)
		}
	}
}

// Property: a count is written as the nearest float in the text format, and as the
// integer that it is in OpenMetrics.
func TestCounts(t *testing.T) {
	b := make([]byte, 0, 64)
	check := func(n uint64) {
		if b = appendCount(b[:0], n, false); string(b) != shortest(float64(n), false) {
			t.Fatalf("%s, want %s", b, shortest(float64(n), false))
		}
		if b = appendCount(b[:0], n, true); string(b) != strconv.FormatUint(n, 10) {
			t.Fatalf("%s, want %d", b, n)
		}
	}
	for e := range 64 {
		for d := range uint64(5) {
			check(1<<e + d - 2)
		}
	}
	for e, n := 0, uint64(1); e < 20; e, n = e+1, 10*n {
		check(n - 1)
		check(n)
		check(n + 1)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 300_000 {
		check(r.Uint64() >> r.UintN(64))
	}
}
