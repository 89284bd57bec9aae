// Package stocktest writes files as client_python does, for tests: it is the
// process that a test needs, without the interpreter.
package stocktest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// File is a client_python file (0.18 and later: a value and a time in each
// entry) that is open for writing. It is for one goroutine.
type File struct {
	f     *os.File
	used  uint32
	cells map[string]int64 // offset of the value, by key
}

// initialSize is that of a file at its birth.
const initialSize = 64 << 10

// Open takes up the file at path as a process of the pid in its name would:
// it is made if need be, and goes on from the values that it has.
func Open(path string) (*File, error) {
	fd, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o644) //nolint:gosec // G302: as the client makes them
	if err != nil {
		return nil, err
	}
	f := &File{f: fd, cells: make(map[string]int64)}
	if err := f.takeUp(); err != nil {
		fd.Close()
		return nil, err
	}
	return f, nil
}

func (f *File) takeUp() error {
	st, err := f.f.Stat()
	if err != nil {
		return err
	}
	if st.Size() == 0 {
		if err := f.f.Truncate(initialSize); err != nil {
			return err
		}
	}
	b := make([]byte, max(st.Size(), 8))
	if _, err := f.f.ReadAt(b, 0); err != nil && st.Size() > 0 {
		return err
	}
	f.used = binary.NativeEndian.Uint32(b)
	if f.used == 0 {
		return f.setUsed(8)
	}
	for at := uint32(8); at < f.used; {
		n := binary.NativeEndian.Uint32(b[at:])
		value := at + 4 + n + padding(n)
		f.cells[string(b[at+4:at+4+n])] = int64(value)
		at = value + 16
	}
	return nil
}

// padding is how many spaces follow a key of n bytes.
func padding(n uint32) uint32 { return 8 - (n+4)%8 }

func (f *File) setUsed(used uint32) error {
	f.used = used
	_, err := f.f.WriteAt(binary.NativeEndian.AppendUint32(nil, used), 0)
	return err
}

// Key is the key of a sample. Labels are written name=value.
func Key(metric, sample, help string, labels ...string) string {
	pairs := make(map[string]string, len(labels))
	for _, l := range labels {
		name, value, _ := strings.Cut(l, "=")
		pairs[name] = value
	}
	names := slices.Sorted(maps.Keys(pairs))
	for i, name := range names {
		names[i] = quote(name) + ": " + quote(pairs[name])
	}
	return fmt.Sprintf("[%s, %s, {%s}, %s]", quote(metric), quote(sample), strings.Join(names, ", "), quote(help))
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // no string does that
	}
	return string(b)
}

// Set writes a value, with the time in Unix seconds that gauges of the
// mostrecent modes have, otherwise 0. A key that is new becomes an entry.
func (f *File) Set(key string, value, at float64) error {
	off, ok := f.cells[key]
	if !ok {
		var err error
		if off, err = f.append(key); err != nil {
			return err
		}
	}
	b := binary.NativeEndian.AppendUint64(nil, math.Float64bits(value))
	_, err := f.f.WriteAt(binary.NativeEndian.AppendUint64(b, math.Float64bits(at)), off)
	return err
}

// Add adds to a value.
func (f *File) Add(key string, n float64) error {
	b := make([]byte, 8)
	if off, ok := f.cells[key]; ok {
		if _, err := f.f.ReadAt(b, off); err != nil {
			return err
		}
	}
	return f.Set(key, math.Float64frombits(binary.NativeEndian.Uint64(b))+n, 0)
}

// append stores the entry first and then the length, as the client does.
func (f *File) append(key string) (off int64, err error) {
	n := uint32(len(key))
	entry := binary.NativeEndian.AppendUint32(nil, n)
	entry = append(append(entry, key...), strings.Repeat(" ", int(padding(n)))...)
	off = int64(f.used) + int64(len(entry))
	entry = append(entry, make([]byte, 16)...)
	st, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	for size := st.Size(); size < int64(f.used)+int64(len(entry)); {
		size *= 2
		if err := f.f.Truncate(size); err != nil {
			return 0, err
		}
	}
	if _, err := f.f.WriteAt(entry, int64(f.used)); err != nil {
		return 0, err
	}
	f.cells[key] = off
	return off, f.setUsed(f.used + uint32(len(entry)))
}

// Close ends the process, as far as anybody can tell.
func (f *File) Close() error { return f.f.Close() }

// Counter is the file counter_PID.db in dir with c_total counted up by n, and
// still open.
func Counter(t testing.TB, dir, pid string, n float64) *File {
	t.Helper()
	f, err := Open(filepath.Join(dir, "counter_"+pid+".db"))
	if err == nil {
		err = f.Add(CounterKey, n)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() }) // again, where the test has done so
	return f
}

// CounterKey is the key of c_total.
var CounterKey = Key("c", "c_total", "Things counted.")
