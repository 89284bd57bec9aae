// Package redisstore makes one exposition of many hosts, by way of Redis. Workers
// write to mapped files as ever; a Publisher puts what a directory comes to under a key
// of its own, as absolute values; a Reader fetches what all hosts of a namespace
// have published, as sources of one merge, and folds hosts that are gone for good into
// the namespace's archive.
//
// Hosts are to the namespace what processes are to a directory, and here as there
// everything counts exactly once: a publication says all that its host has counted, so that
// to repeat it changes nothing; and the step at which a host's counts change over
// from its own key to the archive is one script, which Redis runs as a whole.
// docs/fleet.md draws the keys and says what each crash can cost.
//
// Start reading at keys.go, then publisher.go, reader.go and fold.go. The packages below
// read what other libraries keep in Redis.
package redisstore
