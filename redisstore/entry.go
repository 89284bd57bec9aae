package redisstore

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/promfold/promfold/mmapstore"
)

// hostState says what a host's last publication was.
type hostState string

const (
	// stateLive: others follow.
	stateLive hostState = "live"
	// stateFinal: it was the last of its process. The host may come back with another, which
	// goes on from the same files.
	stateFinal hostState = "final"
	// stateEphemeral: the last of all: nobody goes on from the files.
	stateEphemeral hostState = "ephemeral"
)

// entry is what the index says of a host.
type entry struct {
	seq    uint64        // of the publication; grows from one to the next
	beat   int64         // when it was heard of last, Unix milliseconds of Redis' clock
	ttl    time.Duration // how long after that it counts as alive
	state  hostState
	digest string // of the publication's schema
	name   string // of the host
	// unread: what the index says now is malformed, and this is what it said before.
	unread bool
}

var errEntry = errors.New("malformed entry of the index")

// parseEntry reads "seq beat ttl state digest name", as publish.lua writes it.
func parseEntry(s string) (e entry, err error) {
	f := strings.SplitN(s, " ", 6)
	if len(f) != 6 {
		return e, fmt.Errorf("%w: %.80q", errEntry, s)
	}
	seq, err1 := strconv.ParseUint(f[0], 10, 53)
	beat, err2 := strconv.ParseInt(f[1], 10, 64)
	ttl, err3 := strconv.ParseInt(f[2], 10, 32)
	if err := errors.Join(err1, err2, err3); err != nil {
		return e, fmt.Errorf("%w: %w", errEntry, err)
	}
	e = entry{seq, beat, time.Duration(ttl) * time.Millisecond, hostState(f[3]), f[4], strings.ToValidUTF8(f[5], "\uFFFD"), false}
	return e, nil
}

// asUnread is the entry in place of one that is malformed.
func (e entry) asUnread() entry {
	e.unread = true
	return e
}

// age is how long ago the host was heard of, by Redis' clock.
func (e *entry) age(now time.Time) time.Duration { return now.Sub(time.UnixMilli(e.beat)) }

// final: it said goodbye.
func (e *entry) final() bool { return e.state == stateFinal || e.state == stateEphemeral }

// live: it was heard of not long ago, and did not say goodbye.
func (e *entry) live(now time.Time) bool { return !e.final() && e.age(now) <= e.ttl }

// edition is what the index says of the archive: which it is, and whether it keeps hosts
// apart. The zero value means that there is none.
type edition struct {
	generation uint64
	id         mmapstore.ID
	byHost     bool
}

func (e edition) String() string {
	if e == (edition{}) {
		return ""
	}
	kind := "sum"
	if e.byHost {
		kind = "host"
	}
	return fmt.Sprintf("%d %s %s", e.generation, e.id, kind)
}

// parseEdition reads what String writes.
func parseEdition(s string) (e edition, err error) {
	if s == "" {
		return e, nil
	}
	f := strings.Split(s, " ")
	if len(f) != 3 || f[2] != "sum" && f[2] != "host" {
		return e, fmt.Errorf("%w: archive %.80q", errEntry, s)
	}
	e.byHost = f[2] == "host"
	if e.generation, err = strconv.ParseUint(f[0], 10, 64); err == nil {
		e.id, err = parseID(f[1])
	}
	if err != nil {
		return edition{}, fmt.Errorf("%w: archive %.80q: %w", errEntry, s, err)
	}
	return e, nil
}

// parseID reads what ID.String writes.
func parseID(s string) (id mmapstore.ID, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("%w: id %.40q", errEntry, s)
	}
	return mmapstore.ID(b), nil
}
