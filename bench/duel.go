//go:build linux

package main

// twoSidecars times warm scrapes of two directories, in turn. Before that and
// afterwards their answers are checked, unless check is nil.
func (l *lab) twoSidecars(dir, other string, check func(ours, theirs answerer) error) (*pairs, error) {
	ours, err := l.warm(dir)
	if err != nil {
		return nil, err
	}
	defer ours.close()
	theirs, err := l.warm(other)
	if err != nil {
		return nil, err
	}
	defer theirs.close()
	if check != nil {
		if err := check(ours.samples, theirs.samples); err != nil {
			return nil, err
		}
	}
	p := &pairs{}
	for range of(l, 11, 3) {
		a, err := ours.settled()
		if err != nil {
			return nil, err
		}
		b, err := theirs.settled()
		if err != nil {
			return nil, err
		}
		p.add(a, b)
	}
	if check != nil {
		if err := check(ours.last, theirs.last); err != nil {
			return nil, err
		}
	}
	return p, nil
}
