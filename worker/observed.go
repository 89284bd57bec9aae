package worker

import "github.com/promfold/promfold/mmapstore"

// observed is where a histogram or a summary counts: the sum (a float64) and one
// count per bucket, +Inf last; a summary has that one alone. The count of all
// observations of a histogram is not kept: it is what the buckets add up to, so
// the two cannot disagree.
type observed struct {
	sum     *mmapstore.Word
	buckets []mmapstore.Word
	waits   bool // see waiting.go
}

// taken reports whether the words waited and have a place now.
func (o *observed) taken() bool { return o.waits && o.sum.Load() == sealed }

// count counts an observation in a bucket. It counts nothing, and says so, if
// the words have a place now.
func (o *observed) count(bucket int) bool {
	if uint(bucket) >= uint(len(o.buckets)) {
		return true // there is one bucket more than bounds
	}
	w := &o.buckets[bucket]
	if o.waits {
		return addWaiting(w, 1)
	}
	w.Add(1)
	return true
}
