//go:build unix

package hermes

import (
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

// DefaultAddress is where a Listener receives, unless told. No other host can send
// there: UDP asks nobody who he is.
const DefaultAddress = "127.0.0.1:7789"

// defaultSocketMode lets the owner and the group of a unix socket send to it.
const defaultSocketMode fs.FileMode = 0o660

// address is one of Options.Addresses.
type address struct {
	network string // udp or unixgram
	where   string // host:port, or the path of a socket
	mode    fs.FileMode
}

// CheckAddress finds what makes no sense in one of Options.Addresses.
func CheckAddress(s string) error {
	_, err := parseAddress(s)
	return err
}

// parseAddress reads host:port, udp://host:port, or unixgram:///path, to which
// ?mode=0666 may be added.
func parseAddress(s string) (address, error) {
	bad := func(reason string) (address, error) { return address{}, fmt.Errorf("address %q: %s", s, reason) }
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		scheme, rest = "udp", s
	}
	switch scheme {
	case "udp":
		if _, port, err := net.SplitHostPort(rest); err != nil || port == "" {
			return bad("want host:port")
		}
		return address{network: "udp", where: rest}, nil
	case "unixgram":
		return parseSocket(rest, bad)
	default:
		return bad("want host:port, udp://host:port or unixgram:///path")
	}
}

func parseSocket(rest string, bad func(string) (address, error)) (address, error) {
	path, query, _ := strings.Cut(rest, "?")
	if !filepath.IsAbs(path) {
		return bad("the path of a socket must be absolute: unixgram:///path")
	}
	a := address{network: "unixgram", where: path, mode: defaultSocketMode}
	values, err := url.ParseQuery(query)
	if err != nil {
		return bad("want ?mode=0660 or nothing after the path")
	}
	for name := range values {
		mode, err := strconv.ParseUint(values.Get(name), 8, 9)
		if name != "mode" || err != nil {
			return bad("want ?mode=0660 or nothing after the path")
		}
		a.mode = fs.FileMode(mode)
	}
	return a, nil
}
