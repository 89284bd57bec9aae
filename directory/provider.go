//go:build unix

package directory

import (
	"cmp"
	"slices"
)

// GitLab's client numbers the files of one identity, and where several of the
// processes live, its collector shows the gauges of the highest number.

// number is what the name of a file tells of that, found out once.
type number struct {
	identity string // of the file, when it was asked
	asked    bool
	provider string // what the names of the numbered files have in common
	has      bool   // a number
}

// numbered is a file with a number.
type numbered struct {
	provider, base string
	file           *File
}

// numberOf is what the name of a stock client's file tells. The identity may become
// known with the first key.
func (f *tracked) numberOf(identity string) *number {
	if n := &f.number; !n.asked || n.identity != identity {
		*n = number{identity: identity, asked: true}
		n.provider, n.has = f.stock.provider()
	}
	return &f.number
}

// orderProviders makes numbered files of one provider younger by their numbers. It
// works in the memory of list, which may be nil, and returns it.
func orderProviders(files []*File, list []numbered) []numbered {
	list = list[:0]
	for _, f := range files {
		if f.file.stock == nil {
			continue
		}
		if n := f.file.numberOf(f.file.identity()); n.has {
			list = append(list, numbered{n.provider, f.file.stock.base, f})
		}
	}
	slices.SortFunc(list, func(a, b numbered) int {
		return cmp.Or(cmp.Compare(a.provider, b.provider), cmp.Compare(len(a.base), len(b.base)), cmp.Compare(a.base, b.base))
	})
	for rest := list; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].provider == rest[0].provider {
			n++
		}
		orderNumbers(rest[:n])
		rest = rest[n:]
	}
	clear(list)
	return list
}

// orderNumbers makes each of the files younger than those with lower numbers.
func orderNumbers(list []numbered) {
	if len(list) < 2 {
		return
	}
	youngest := list[0].file.created
	for _, n := range list {
		youngest = max(youngest, n.file.created)
	}
	for i, n := range list {
		n.file.created = youngest + int64(i)
	}
}
