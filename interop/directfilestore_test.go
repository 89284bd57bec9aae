//go:build interop && linux && directfilestore

package interop_test

import "testing"

// Property: the same of client_ruby's DirectFileStore. Debian has no package of
// it, so it has a build tag of its own, for who has the gem; RUBYLIB leads to its
// lib directory.
func TestRubyDirectFileStore(t *testing.T) {
	needRuby(t, "prometheus/client/data_stores/direct_file_store")
	f := &forked{script: []string{systemRuby, testdata("directfile.rb")}, lifetimes: 120, kills: 10, counter: "shop_orders_total"}
	f.run(t)
}
