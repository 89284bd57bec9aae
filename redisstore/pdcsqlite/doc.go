// Package pdcsqlite reads what prometheus-distributed-client, from release 2.1.0 on,
// keeps in an SQLite file instead of Redis: a table metrics(metric_key, subkey, value)
// whose subkeys are the fields of the hashes in Redis, and whose keys have no prefix.
//
// The file is opened to be read alone, and for each read anew, so that one that takes
// its place is found. SQLite lets nobody read a file that is in WAL mode without its
// files beside it: where no writer has it open, these are made. A file that a writer
// left in the middle of a transaction, in the other modes, only a writer can restore.
//
// It is a package of its own for the driver, which is large.
package pdcsqlite
