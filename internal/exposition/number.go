package exposition

import (
	"strconv"
)

const (
	// exponents is the first whole number that is written with an exponent, 1e+06.
	exponents = 1_000_000
	// exact is the last up to which all whole numbers are floats, so that none has
	// a shorter form than its own digits without the zeros at their end.
	exact = 1 << 53
)

// appendFloat is strconv's shortest form 'g', to which OpenMetrics adds a fraction
// if that looks like an integer. Most values are whole numbers, for which it needs
// no search.
func appendFloat(b []byte, v float64, openMetrics bool) []byte {
	n := int64(v) // anything if v does not fit, and then it is not within the limits
	if float64(n) != v || n < -exact || n > exact {
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	}
	if n < 0 {
		b = append(b, '-')
		n = -n
	}
	if n >= exponents {
		return appendScientific(b, uint64(n))
	}
	b = strconv.AppendInt(b, n, 10)
	if openMetrics {
		b = append(b, '.', '0')
	}
	return b
}

// appendCount appends what is a float in the text format, and an integer in
// OpenMetrics.
func appendCount(b []byte, n uint64, openMetrics bool) []byte {
	if openMetrics || n < exponents {
		return strconv.AppendUint(b, n, 10)
	}
	return appendFloat(b, float64(n), false)
}

// appendScientific takes numbers from exponents to exact.
func appendScientific(b []byte, n uint64) []byte {
	first := len(b)
	b = strconv.AppendUint(append(b, 0), n, 10) // a digit before the point, so they begin one later
	exponent := len(b) - first - 2
	b[first], b[first+1] = b[first+1], '.'
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	if b[len(b)-1] == '.' {
		b = b[:len(b)-1]
	}
	return append(b, 'e', '+', byte('0'+exponent/10), byte('0'+exponent%10))
}
