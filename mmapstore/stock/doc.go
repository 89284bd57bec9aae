// Package stock reads the memory-mapped files of other Prometheus clients: what
// their formats share. The packages pydb and rubydb know the rest, and open them.
package stock
