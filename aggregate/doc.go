// Package aggregate holds the laws by which the series of many sources become
// one set of metric families. It does no I/O of its own.
//
// A Source is whoever contributes: the file of a process, an archive of dead
// processes, later the snapshot of a remote host. A Merger compiles each source
// once (which of its series adds to which merged series) and after that merges
// by loops over values. Fold makes the archive that takes the place of sources
// which are dead. Neither result depends on the order of the sources, nor on
// which of them were folded before.
//
// Start reading at source.go, then merger.go, program.go and lane.go.
package aggregate
