package mmapstore

import (
	"sync/atomic"
	"unsafe"
)

// A Word is eight bytes of a file that a writer and its readers share. It is
// only ever touched whole, by atomic operations; that is all the protocol there
// is between processes, besides the order of stores that each type documents.
type Word = atomic.Uint64

// viewWords views mapped memory as words. b must be 8-byte aligned, which
// offsets in the file guarantee: mappings begin on a page.
func viewWords(b []byte) []Word {
	if len(b) == 0 {
		return nil
	}
	p := unsafe.Pointer(&b[0])
	if uintptr(p)%wordSize != 0 {
		panic("mmapstore: words in unaligned memory")
	}
	return unsafe.Slice((*Word)(p), len(b)/wordSize)
}
