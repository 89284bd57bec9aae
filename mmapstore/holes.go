package mmapstore

// pageSet is a set of file pages, each of windowSize bytes.
type pageSet []uint64

func (p pageSet) has(page int64) bool {
	i := page / 64
	return i < int64(len(p)) && p[i]&(1<<(page%64)) != 0
}

func (p *pageSet) add(page int64) {
	for int64(len(*p)) <= page/64 {
		*p = append(*p, 0)
	}
	(*p)[page/64] |= 1 << (page % 64)
}

// holeGuard keeps a reader from filling the holes of a file. Reading a hole of a
// tmpfs file through a mapping allocates it, so a small file with cells all over
// a sparse gigabyte would cost its readers that gigabyte. A writer reserves
// before it publishes: honest cells lie in no more pages than the file has.
type holeGuard struct {
	cost bool    // holes cost memory on this file system
	held int64   // pages that the file has, as of the present Refresh
	used int64   // pages in which known cells lie
	set  pageSet // which ones
}

// admit takes up the n bytes at off, unless the file cannot have that many pages.
func (g *holeGuard) admit(off, n int64) bool {
	if !g.cost {
		return true
	}
	first, last := off/windowSize, (off+n-1)/windowSize
	fresh := int64(0)
	for page := first; page <= last; page++ {
		if !g.set.has(page) {
			fresh++
		}
	}
	if g.used+fresh > g.held {
		return false
	}
	for page := first; fresh > 0 && page <= last; page++ {
		g.set.add(page)
	}
	g.used += fresh
	return true
}

// lacks reports whether what was admitted takes more pages than a file has that
// holds so many.
func (g *holeGuard) lacks(held int64) bool { return g.cost && g.used > held }
