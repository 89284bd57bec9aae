package aggregate

import (
	"math"
	"math/bits"
)

// What the steps of a program do: words of one source are added to the totals. These
// loops see every value of every process at each scrape.

// maxWhole is up to where every whole number is a float.
const maxWhole = 1 << 53

// addCounters returns how many values no process can have counted.
func (t *totals) addCounters(steps []step, words []uint64) (invalid int) {
	for i := range steps {
		if st := &steps[i]; st.sums == 1 {
			invalid += t.addRounded(st, words)
		} else {
			invalid += t.addUnrounded(st, words)
		}
	}
	return invalid
}

// addRounded is addCounters for the file of a process.
func (t *totals) addRounded(st *step, words []uint64) (invalid int) {
	words = words[st.word:][:2*st.n]
	counts := t.counts[st.place.count:][:st.n]
	for i := range counts {
		sum, carry := bits.Add64(counts[i], words[2*i], 0)
		if rest := words[2*i+1]; rest != 0 {
			v := math.Float64frombits(rest)
			if n := int64(v); 0 <= n && n < maxWhole && float64(n) == v { // no NaN, no fraction
				var more uint64
				sum, more = bits.Add64(sum, uint64(n), 0)
				carry += more
			} else {
				invalid += t.addFraction(st, int32(i), v)
			}
		}
		if carry > 0 {
			t.sums[st.place.sum+int32(i)].add(float64(carry) * (1 << 64))
		}
		counts[i] = sum
	}
	return invalid
}

// addFraction adds what a counter holds as a float and is no whole number. It returns
// 1 for what no process can have counted.
func (t *totals) addFraction(st *step, i int32, v float64) (invalid int) {
	// An archive's low part may be negative; a process' float may not.
	if st.what == stepCounters && (!finite(v) || v < 0 && st.sums == 1) {
		return 1
	}
	t.sums[st.place.sum+i].add(v)
	return 0
}

// addUnrounded is addCounters for an archive, whose sums are two floats.
func (t *totals) addUnrounded(st *step, words []uint64) (invalid int) {
	for i := range st.n {
		at := words[st.word+i*st.words:][:st.words]
		t.addCount(place{count: st.place.count + i, sum: st.place.sum + i}, at[0])
		for _, w := range at[1:] {
			if w != 0 {
				invalid += t.addFraction(st, i, math.Float64frombits(w))
			}
		}
	}
	return invalid
}

func (t *totals) addHistograms(steps []step, all []uint64) {
	for i := range steps {
		st := &steps[i]
		stride, sums := int(st.words), int(st.sums)
		words := all[st.word:][:int(st.n)*stride]
		counts := t.counts[st.place.count:]
		for i := st.place.sum; len(words) >= stride; i++ {
			t.sums[i].addWords(words[:sums])
			addBuckets(counts, words[sums:stride])
			counts, words = counts[stride-sums:], words[stride:]
		}
	}
}

// addBuckets adds counts that cannot overflow but by damage or malice; then they
// stay at the top, since a count must not go down.
func addBuckets(to, from []uint64) {
	to = to[:len(from)]
	for i, n := range from {
		to[i] = addCapped(to[i], n)
	}
}

func (t *totals) addScattered(st *step, words []uint64, to []int32) {
	words = words[st.word:][:st.words]
	t.sums[st.place.sum].addWords(words[:st.sums])
	counts := t.counts[st.place.count:]
	for i, n := range words[st.sums:] {
		counts[to[i]] = addCapped(counts[to[i]], n)
	}
}

func (t *totals) addSummaries(st *step, words []uint64) {
	stride, sums := int(st.words), int(st.sums)
	words = words[st.word:][:int(st.n)*stride]
	for p := st.place; len(words) >= stride; words = words[stride:] {
		t.sums[p.sum].addWords(words[:sums])
		t.counts[p.count] = addCapped(t.counts[p.count], words[sums])
		p.count, p.sum = p.count+1, p.sum+1
	}
}

func (t *totals) addGaugeSums(st *step, words []uint64) {
	words = words[st.word:][:int(st.n)*int(st.words)]
	for p := st.place; len(words) >= int(st.words); words = words[st.words:] {
		g := &t.gauges[p.gauge]
		g.present = true
		if words[0] != 0 {
			g.set = true
			t.sums[p.sum].add(math.Float64frombits(words[1]))
		}
		p.gauge, p.sum = p.gauge+1, p.sum+1
	}
}

func (t *totals) addGauges(st *step, words []uint64) {
	words = words[st.word:][:int(st.n)*int(st.words)]
	for i := st.place.gauge; len(words) >= int(st.words); i++ {
		t.gauges[i].fold(st.mode, gaugeOf(words))
		words = words[st.words:]
	}
}

// gaugeOf is a gauge as it lies in a source, without times.
func gaugeOf(words []uint64) gauge {
	g := gauge{present: true, set: words[0] != 0}
	if g.set {
		g.value = math.Float64frombits(words[1])
	}
	return g
}

func (s *sum) addWords(words []uint64) {
	for _, w := range words {
		if w != 0 {
			s.add(math.Float64frombits(w))
		}
	}
}
