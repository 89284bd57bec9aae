//go:build unix && !linux

package mmapstore

import "os"

func reserve(f *os.File, off, n int64) error { return writeZeros(f, off, n) }

func publishName(from, to string) error { return os.Rename(from, to) }

// Holes cost nothing where there is no tmpfs.

func holesCost(*os.File) bool { return false }

func bytesHeld(st os.FileInfo) int64 { return st.Size() }
