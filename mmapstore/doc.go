// Package mmapstore is the file of one process: its format, writer, reader,
// check, and the question whether its writer is alive. It knows no merging.
//
// A file has an immutable header, a schema (families and series, append-only,
// checksummed, published by one word) and cells (8-byte words, written in place
// by atomic operations). The schema is read once, with pread; the cells are
// read on every scrape, through a mapping. docs/format.md draws the bytes.
//
// Start reading at layout.go (the bytes), then writer.go, reader.go and
// liveness.go. Everything unsafe is in words.go, chunk_unix.go and load.go.
package mmapstore
