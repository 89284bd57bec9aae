package mmapstore

// Limits on what uniting the bounds of a histogram's series may cost.
const (
	// freelyUnited bounds do not cost more than the client itself had spent on
	// them, if it had told all of them.
	freelyUnited = 32
	// maxUnited is how many buckets there may be in all series beyond that.
	maxUnited = 1 << 18
)

// MayUnite reports whether so many series of a histogram, whose sources tell only
// some of their bounds, may all have all of the bounds. Sums over series need
// that; but a file in which every series has a bound of its own could make us
// multiply its size by itself.
func MayUnite(bounds, series int) bool {
	return bounds <= freelyUnited || int64(bounds)*int64(series) <= maxUnited
}
