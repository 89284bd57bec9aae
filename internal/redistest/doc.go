// Package redistest is for tests that need a real Redis or Valkey: it starts
// servers of their own, kills, stops and restarts them, and tells what they were
// asked. Nothing of the machine's own servers is touched.
//
// Tests that use it have the build tag redis.
package redistest
