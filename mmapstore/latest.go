package mmapstore

import "math"

// A gauge in a timed mode keeps its value and the time of the set together,
// though they are two words: the count of completed sets names, by its lowest
// bit, the slot in force. A set fills the other slot and then advances the
// count, so a kill between the stores leaves the old pair in force. A reader
// that finds the count unchanged after it has read the slot has a whole pair:
// the slot in force is not written before the count has moved on, and the count
// never comes back to a number: forgetting the value marks it, no more.

// latestUnset marks the count of a gauge whose sets are forgotten.
const latestUnset uint64 = 1 << 63

// SetLatest sets a timed gauge to value as of now (Unix nanoseconds). The
// caller holds the one mutex of this process that guards the cell.
func SetLatest(cell []Word, value float64, now int64) {
	c := (*[latestWords]Word)(cell)
	sets := c[latestSets].Load()&^latestUnset + 1
	slot := latestSlots + 2*(sets&1)
	c[slot].Store(math.Float64bits(value))
	c[slot+1].Store(uint64(now))
	c[latestSets].Store(sets)
}

// latestTries bounds how often a reader looks again. A writer in its right mind
// pauses for three loads long before; bytes that somebody keeps mutating never do.
const latestTries = 1000

// clearLatest makes a timed gauge one that was never set, in one step that
// leaves the count as it is: a reader must not meet a number twice.
func clearLatest(cell []Word) { cell[latestSets].Or(latestUnset) }

// ReadLatest reads a timed gauge. set is false if it was never set, or if no
// whole pair was to be had.
func ReadLatest(cell []Word) (value float64, at int64, set bool) {
	for range latestTries {
		sets := cell[latestSets].Load()
		slot := latestSlots + 2*(sets&1)
		value = math.Float64frombits(cell[slot].Load())
		at = int64(cell[slot+1].Load())
		if cell[latestSets].Load() == sets {
			if sets == 0 || sets&latestUnset != 0 {
				return 0, 0, false
			}
			return value, at, true
		}
	}
	return 0, 0, false
}
