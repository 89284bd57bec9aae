package redistest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// The ports that servers get lie below those that the kernel gives to outgoing
// connections. A client that dials a dead server again and again would otherwise
// sooner or later sit on the server's port itself.
const (
	firstPort = 20000
	lastPort  = 32000
)

// freePort is a port of 127.0.0.1 on which nobody listens now.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort) //nolint:gosec // a port is no secret
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		if err := l.Close(); err == nil {
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}
