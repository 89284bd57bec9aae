//go:build linux

// Command bench measures promfold beside its peers: client_python, GitLab's
// prometheus-client-mmap, client_golang, Hermes and prometheus-distributed-client, on the
// same data in the same run. It prints a table of ratios, because times on a shared
// machine tell little.
//
//	go run ./bench [-quick] [-only REGEXP] [-profile REGEXP] [-results FILE] [-plot FILE]
//
// Before anything is timed both sides' answers are compared sample by sample, and
// so are the timed ones afterwards: a fast wrong answer ends the run.
//
// A group is the rows that share a set of files, and lies in one file. Sides are
// measured in pairs, one after the other, and a row is the median of the ratios.
package main
