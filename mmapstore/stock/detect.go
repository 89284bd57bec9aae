package stock

import "errors"

// trail is a walk over the entries as they would be in one of the layouts.
type trail struct {
	layout layout
	off    int // of the next entry
	passed int // entries that are whole
	failed bool
	whole  bool // it ended exactly where the file does
}

// detect tells in which layout the entries in b are, which begin at the start of
// the file's first. used is how many bytes of entries the file claims to have, more
// whether some of them are behind b. The layout in which the whole file makes sense is the one; of a
// damaged file, the one in which more entries do; unknown if none does, or both.
//
// The wrong layout fails within two entries, as a rule, and with that the right
// one is known: it need not be walked to its end.
func detect(b []byte, used int64, more bool, f Format) layout {
	trails := [2]trail{{layout: v8}, {layout: v16}}
	short, long := &trails[0], &trails[1]
	for {
		if l, ok := decided(short, long); ok {
			return l
		}
		t := short
		if short.failed || short.whole || !long.failed && !long.whole && long.off < short.off {
			t = long
		}
		if !t.step(b, used, f) && more {
			return unknown // either may be right, as far as we have read
		}
	}
}

// decided compares the two trails.
func decided(short, long *trail) (layout, bool) {
	switch {
	case short.whole && long.whole:
		return unknown, true
	case short.failed && long.failed:
		return mostPassed(short, long), true
	case short.failed && (long.whole || long.passed > short.passed):
		return v16, true
	case long.failed && (short.whole || short.passed > long.passed):
		return v8, true
	}
	return unknown, false
}

// mostPassed decides about a damaged file. In doubt there is no timestamp.
func mostPassed(short, long *trail) layout {
	switch {
	case long.passed > short.passed:
		return v16
	case short.passed > 0:
		return v8
	}
	return unknown
}

// step goes on by an entry. false means that b ends within it.
func (t *trail) step(b []byte, used int64, f Format) bool {
	e, err := t.layout.cut(b[t.off:], f.Frame())
	if errors.Is(err, errShort) {
		t.failed = true
		return false
	}
	var k Key
	if err != nil || errors.Is(f.Decode(e.key, &k), ErrKey) {
		t.failed = true
		return true
	}
	t.off += e.size
	t.passed++
	t.whole = int64(t.off) == used
	return true
}
