// Package rubydb reads the .bin files of client_ruby's DirectFileStore.
package rubydb
