package rubydb

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Files are called metric_NAME___PID.bin.
const (
	prefix    = "metric_"
	separator = "___"
	suffix    = ".bin"
)

// name is what the base name of a file tells.
type name struct {
	family string
	pid    string // its digits
}

// IsFileName reports whether a base name is one that the client gives.
func IsFileName(base string) bool {
	_, ok := parseName(base)
	return ok
}

func parseName(base string) (n name, ok bool) {
	stem, ok := strings.CutSuffix(base, suffix)
	if !ok {
		return n, false
	}
	stem, ok = strings.CutPrefix(stem, prefix)
	i := strings.LastIndex(stem, separator)
	if !ok || i <= 0 {
		return n, false
	}
	n = name{family: stem[:i], pid: stem[i+len(separator):]}
	digits := n.pid != "" && strings.Trim(n.pid, "0123456789") == ""
	return n, digits && utf8.ValidString(n.family)
}

func (n *name) number() int {
	pid, err := strconv.ParseInt(n.pid, 10, 32)
	if err != nil {
		return 0
	}
	return int(pid)
}
