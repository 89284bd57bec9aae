// Package pydb reads the .db files of client_python, postmates and GitLab's
// prometheus-client-mmap.
package pydb
