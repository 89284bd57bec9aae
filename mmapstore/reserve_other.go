//go:build unix && !linux

package mmapstore

import "os"

func reserve(f *os.File, off, n int64) error { return writeZeros(f, off, n) }

func publishName(from, to string) error { return os.Rename(from, to) }
