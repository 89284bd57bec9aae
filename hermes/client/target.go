package client

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// target is where a Client sends: a path, an address, or a name with a port.
type target struct {
	path string         // of a unix socket, or ""
	addr netip.AddrPort // invalid if there is a name
	name string         // of a host, or ""
	port uint16
}

// loopback is where a target without a host is.
const loopback = "127.0.0.1"

// parseTarget reads host:port, udp://host:port or unixgram:///path.
func parseTarget(addr string) (target, error) {
	if path, ok := strings.CutPrefix(addr, "unixgram://"); ok {
		if path == "" {
			return target{}, fmt.Errorf("%w: %q has no path", ErrAddress, addr)
		}
		return target{path: path}, nil
	}
	host, port, err := net.SplitHostPort(strings.TrimPrefix(addr, "udp://"))
	if err != nil {
		return target{}, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return target{}, fmt.Errorf("%w: %q: port %q is no number", ErrAddress, addr, port)
	}
	return hostTarget(host, n)
}

// hostTarget is that of a name, an address, or an IPv6 address in brackets.
func hostTarget(host string, port int) (target, error) {
	if port < 1 || port > 0xffff {
		return target{}, fmt.Errorf("%w: port %d", ErrAddress, port)
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		host = strings.TrimSuffix(inner, "]")
	}
	if host == "" {
		host = loopback
	}
	if strings.ContainsAny(host, "/ ") {
		return target{}, fmt.Errorf("%w: host %q", ErrAddress, host)
	}
	t := target{port: uint16(port)}
	if ip, err := netip.ParseAddr(host); err == nil {
		t.addr = netip.AddrPortFrom(ip.Unmap(), t.port)
	} else {
		t.name = host
	}
	return t, nil
}

func (t target) String() string {
	switch {
	case t.path != "":
		return "unixgram://" + t.path
	case t.name != "":
		return net.JoinHostPort(t.name, strconv.Itoa(int(t.port)))
	}
	return t.addr.String()
}

// lookup returns the addresses of the target's name, those of IPv4 first: a
// listener on 127.0.0.1 must be found as localhost where that is ::1 as well.
func (t target) lookup(ctx context.Context) ([]netip.AddrPort, error) {
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", t.name)
	if err != nil {
		return nil, err
	}
	return t.candidates(ips), nil
}

func (t target) candidates(ips []netip.Addr) []netip.AddrPort {
	addrs := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		addrs[i] = netip.AddrPortFrom(ip.Unmap(), t.port)
	}
	slices.SortStableFunc(addrs, func(a, b netip.AddrPort) int {
		return a.Addr().BitLen() - b.Addr().BitLen()
	})
	return addrs
}
