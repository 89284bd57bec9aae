//go:build linux

package main

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"strings"
)

// image is a client's file as it is in all processes, and where in it the values
// are that differ.
type image struct {
	prefix string // of the file's name, up to the process
	bytes  []byte
	size   int // of the file: the client doubles it
	cells  []cell
}

// cell is where a value lies and what it is.
type cell struct {
	at    int
	value func(moment) float64
}

// entry is a key with its value.
type entry struct {
	key   string
	value func(moment) float64
}

// layout is how a client writes its files.
type layout struct {
	firstSize int
	valueSize int // 8, or 16 with a time
	// name is a file's, of a process.
	name func(prefix, pid string) string
	// entries are those of one child.
	entries func(child int, f *family, values []string) []entry
}

// images are the files of one process, by type and mode as the clients split them.
// With a random source the children come in an order of its own.
func (l *layout) images(m *model, shuffle *rand.Rand) []*image {
	var all []*image
	byPrefix := make(map[string][][]entry)
	m.eachChild(func(n int, f *family, values []string) {
		prefix := f.kind
		if f.mode != "" {
			prefix += "_" + f.mode
		}
		if byPrefix[prefix] == nil {
			all = append(all, &image{prefix: prefix})
		}
		byPrefix[prefix] = append(byPrefix[prefix], l.entries(n, f, values))
	})
	for _, i := range all {
		children := byPrefix[i.prefix]
		if shuffle != nil {
			shuffle.Shuffle(len(children), func(a, b int) { children[a], children[b] = children[b], children[a] })
		}
		i.build(l, children)
	}
	return all
}

func (i *image) build(l *layout, children [][]entry) {
	i.bytes = make([]byte, 8)
	for _, entries := range children {
		for _, e := range entries {
			i.bytes = binary.NativeEndian.AppendUint32(i.bytes, uint32(len(e.key)))
			i.bytes = append(i.bytes, e.key...)
			i.bytes = append(i.bytes, strings.Repeat(" ", 8-(len(e.key)+4)%8)...)
			i.cells = append(i.cells, cell{len(i.bytes), e.value})
			i.bytes = append(i.bytes, make([]byte, l.valueSize)...)
		}
	}
	binary.NativeEndian.PutUint32(i.bytes, uint32(len(i.bytes)))
	for i.size = l.firstSize; i.size < len(i.bytes); i.size *= 2 {
	}
}

// write makes the file what it is at a moment.
func (i *image) write(f *os.File, at moment) error {
	for _, c := range i.cells {
		binary.NativeEndian.PutUint64(i.bytes[c.at:], math.Float64bits(c.value(at)))
	}
	if err := f.Truncate(int64(i.size)); err != nil {
		return err
	}
	_, err := f.WriteAt(i.bytes, 0)
	return err
}
