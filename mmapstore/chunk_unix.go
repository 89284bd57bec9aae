//go:build unix

package mmapstore

import (
	"fmt"
	"os"
	"unsafe"

	mmap "github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

// mapChunk maps one chunk of the writer's file, for good: cells in it are held
// by metrics for the life of the process, so a chunk is never unmapped.
func mapChunk(f *os.File, off int64) ([]byte, error) {
	m, err := mmap.MapRegion(f, ChunkSize, mmap.RDWR, 0, off)
	if err != nil {
		return nil, fmt.Errorf("map %s at %d: %w", f.Name(), off, err)
	}
	return m, nil
}

// unmapChunk gives up a chunk, or none, whose cells nobody ever held.
func unmapChunk(chunk []byte) error {
	if chunk == nil {
		return nil
	}
	m := mmap.MMap(chunk)
	return m.Unmap()
}

// detachChunk puts private memory in the place of a mapped chunk, in one step:
// holders of its cells go on counting into nothing, and nothing they do from
// here on reaches the file.
func detachChunk(chunk []byte) error {
	_, err := unix.MmapPtr(-1, 0, unsafe.Pointer(&chunk[0]), uintptr(len(chunk)),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_FIXED|unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return fmt.Errorf("detach a mapped chunk: %w", err)
	}
	return nil
}
