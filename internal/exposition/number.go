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
	b = appendSmall(b, uint64(n))
	if openMetrics {
		b = append(b, '.', '0')
	}
	return b
}

// appendCount appends what is a float in the text format, and an integer in
// OpenMetrics.
func appendCount(b []byte, n uint64, openMetrics bool) []byte {
	switch {
	case n < exponents:
		return appendSmall(b, n)
	case openMetrics:
		return strconv.AppendUint(b, n, 10)
	default:
		return appendFloat(b, float64(n), false)
	}
}

// hundred has the two digits of each number below 100 at twice the number.
const hundred = "0001020304050607080910111213141516171819" +
	"2021222324252627282930313233343536373839" +
	"4041424344454647484950515253545556575859" +
	"6061626364656667686970717273747576777879" +
	"8081828384858687888990919293949596979899"

// appendSmall takes numbers below exponents. That is all that strconv does of
// them, but straight to where they go.
func appendSmall(b []byte, n uint64) []byte {
	if n < 100 {
		if n < 10 {
			return append(b, byte('0'+n))
		}
		return append(b, hundred[2*n], hundred[2*n+1])
	}
	high, low := n/100, n%100*2
	if n < 10_000 {
		if n < 1000 {
			return append(b, byte('0'+high), hundred[low], hundred[low+1])
		}
		high *= 2
		return append(b, hundred[high], hundred[high+1], hundred[low], hundred[low+1])
	}
	high, middle := high/100, high%100*2
	if n < 100_000 {
		return append(b, byte('0'+high), hundred[middle], hundred[middle+1], hundred[low], hundred[low+1])
	}
	high *= 2
	return append(b, hundred[high], hundred[high+1], hundred[middle], hundred[middle+1], hundred[low], hundred[low+1])
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
