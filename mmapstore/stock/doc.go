// Package stock reads the memory-mapped files of other Prometheus clients: what
// their formats share. The packages pydb and rubydb know names and keys, and open
// the files.
//
//	0 +-------------------+
//	  | u32 bytes in use  |  0 until the file is set up, then at least 8
//	4 | 4 zero bytes      |
//	8 +-------------------+
//	  | u32 length of key |  an entry; it ends at a multiple of 8
//	  | key               |  tells family, part, labels
//	  | 1 to 8 spaces     |  so that the value begins at a multiple of 8
//	  | f64 value         |
//	  | f64 time          |  in files of newer clients, in all entries or in none
//	  +-------------------+
//	  | next entry ...    |
//
// A client writes an entry first and the bytes in use after it. Entries stay where
// they are, and values are written over in place. So keys are read once, and a
// scrape touches the pages of the values alone.
//
// Refresh goes through refresh.go (how far to read), life.go (whether it still is
// what was read), detect.go (with times or without), entry.go (one entry),
// siblings.go and adopt.go (whether a file with the same keys was read before),
// index.go (what entries say) and plan.go (where it goes in the vector of values);
// Load through load.go and run.go.
package stock
