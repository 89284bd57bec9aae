package foreign

import (
	"math"
	"strconv"
	"strings"
)

// Number reads a number as Python's repr and Redis' HINCRBYFLOAT write it. What is
// too large for a float is infinite, as it is to Python. Notations that only Go
// knows are no numbers.
func Number(text string) (float64, bool) {
	if len(text) > 1 && strings.ContainsAny(text, "xX_pP") {
		return 0, false
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(v, 0) {
		return 0, false
	}
	return v, true
}
