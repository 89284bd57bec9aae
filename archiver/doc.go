// Package archiver folds the files of dead processes into the archive of their
// directory, exactly once. One archiver works on a directory at a time; others
// stand by and take over.
//
// A round finds the dead (directory.Scan), folds them (aggregate.Fold) and
// commits: steps.go names the steps, between any two of which the process may
// be killed.
package archiver
