package worker

import "github.com/promfold/promfold/mmapstore"

// A cumulative child that has no place yet counts in words on the heap, without
// a lock: its words wait. When they get a place, metric calls are sent there
// first, and then each waiting word is taken: its count is moved and sealed is
// left behind, in one step. Whoever still holds the word finds the seal in place
// of the count, has counted nothing, and starts over at the place. So every
// count is moved along or made in the new place, none is lost or made twice, and
// nobody waits for another.
//
// This is why metric calls need no slow path that is a function of its own: a
// function that may call another one sets up a frame each time, which costs as
// much as a cycle of the eight of a locked add, and more where two threads share
// a core. Nor do they index what the compiler cannot prove to be in range, as its
// panic is a call.

// sealed is what a waiting word holds when its count was taken: a NaN to who
// reads a float64, which no total is, and a number that addWaiting keeps clear of.
const sealed = ^uint64(0)

// addWaiting adds to a whole number that waits. It adds nothing, and says so,
// if the word is sealed.
func addWaiting(w *mmapstore.Word, n uint64) bool {
	for old := w.Load(); old != sealed; old = w.Load() {
		if w.CompareAndSwap(old, min(old+n, sealed-1)) {
			return true
		}
	}
	return false
}

// take empties a waiting word for good.
func take(w *mmapstore.Word) uint64 { return w.Swap(sealed) }
