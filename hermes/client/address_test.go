package client

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
)

// Property: an address is read as documented, and a wrong one is refused when the
// Client is made.
func TestAddresses(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:7789":          "127.0.0.1:7789",
		"udp://127.0.0.1:7789":    "127.0.0.1:7789",
		"[::1]:7789":              "[::1]:7789",
		"udp://[fe80::1%lo]:7789": "[fe80::1%lo]:7789",
		"[::ffff:10.0.0.1]:1":     "10.0.0.1:1",
		":7789":                   "127.0.0.1:7789",
		"hermes.svc:65535":        "hermes.svc:65535",
		"unixgram:///run/h.sock":  "unixgram:///run/h.sock",
		"unixgram://@abstract":    "unixgram://@abstract",
	} {
		to, err := parseTarget(addr)
		if err != nil || to.String() != want {
			t.Errorf("%s is %v, %v; want %s", addr, to, err, want)
		}
	}
	for _, addr := range []string{
		"", "127.0.0.1", "::1:7789", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1",
		"127.0.0.1:http", "unixgram://", "tcp://127.0.0.1:7789", "unix:///run/h.sock", "a b:1",
	} {
		if _, err := NewClient(addr, Options{}); !errors.Is(err, ErrAddress) {
			t.Errorf("%q: error is %v", addr, err)
		}
	}
}

// Property: New never fails; a call on what it made of a wrong address does.
func TestNewOfWrongAddress(t *testing.T) {
	for _, c := range []*Client{New("localhost", 0), New("localhost", 1<<16), New("a/b", 1)} {
		wantErr(t, c.IncrementCounter("c", nil), ErrAddress)
		wantErr(t, c.SetGauge("c", nil, 1), ErrAddress)
		check(t, c, Stats{Failed: 2})
		if err := c.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		wantErr(t, c.IncrementCounter("c", nil), ErrClosed)
	}
	for host, want := range map[string]string{"::1": "[::1]:7", "[::1]": "[::1]:7", "": "127.0.0.1:7", "h": "h:7"} {
		if got := New(host, 7).link.to.String(); got != want {
			t.Errorf("%q is %s, want %s", host, got, want)
		}
	}
}

// Property: no negative option is taken.
func TestOptions(t *testing.T) {
	for _, o := range []Options{
		{Queue: -1}, {MaxPacketSize: -1}, {FlushInterval: -1}, {CloseTimeout: -1}, {DialInterval: -1}, {LookupTimeout: -1}, {LookupInterval: -1},
	} {
		if _, err := NewClient("127.0.0.1:1", o); !errors.Is(err, ErrOption) {
			t.Errorf("%+v: error is %v", o, err)
		}
	}
}

// Property: of a name's addresses those of IPv4 come first, otherwise as they were.
func TestCandidates(t *testing.T) {
	ip := netip.MustParseAddr
	to := target{name: "n", port: 7}
	got := to.candidates([]netip.Addr{ip("::1"), ip("10.0.0.1"), ip("::ffff:10.0.0.2")})
	a, b, c := netip.MustParseAddrPort("10.0.0.1:7"), netip.MustParseAddrPort("10.0.0.2:7"), netip.MustParseAddrPort("[::1]:7")
	if want := []netip.AddrPort{a, b, c}; !slices.Equal(got, want) {
		t.Fatalf("candidates %v, want %v", got, want)
	}
}
