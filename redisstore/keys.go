package redisstore

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/promfold/promfold/mmapstore"
)

// DefaultNamespace is that of hosts and readers that name none.
const DefaultNamespace = "default"

// maxNamespace bounds the length of a namespace in bytes.
const maxNamespace = 128

// CheckNamespace reports what is wrong with the name of a namespace.
func CheckNamespace(name string) error {
	switch {
	case name == "" || len(name) > maxNamespace:
		return fmt.Errorf("namespace %.40q: must have 1 to %d bytes", name, maxNamespace)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == '{' || r == '}' }):
		return fmt.Errorf("namespace %q: must be UTF-8 without braces and control characters", name)
	}
	return nil
}

// keys are the names of all that a namespace has in Redis. What is in braces alone decides
// on which node of a cluster a key lies, so one script may touch all of them.
type keys struct{ prefix string }

func keysOf(namespace string) keys { return keys{"promfold:{" + namespace + "}:"} }

// index is a hash with an entry for each host, and one for the archive.
func (k keys) index() string { return k.prefix + "index" }

// archive is what hosts that are gone have counted: see encodeArchive.
func (k keys) archive() string { return k.prefix + "archive" }

// host is a hash with the publication of a host.
func (k keys) host(id mmapstore.ID) string { return k.prefix + "host:" + id.String() }

// gone is a hash that stands for a host which the archive holds, for as long as it may come
// back: with what was folded of it, unless it said that it does not come back.
func (k keys) gone(id mmapstore.ID) string { return k.prefix + "gone:" + id.String() }

// Fields of a host's hash.
const (
	fieldSeq    = "seq"
	fieldDigest = "digest" // of the schema
	fieldSchema = "schema"
	fieldValues = "values"
)

// fieldArchive is the entry of the index about the archive.
const fieldArchive = "archive"
