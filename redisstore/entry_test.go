package redisstore

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/promfold/promfold/mmapstore"
)

// Property: an entry of the index is read as publish.lua writes it, whatever the host's name is.
func TestParseEntry(t *testing.T) {
	t.Parallel()
	e, err := parseEntry("1763000000000000 1763000000123 31000 live 0a1b a host  of \xff ours ")
	want := entry{
		seq: 1763000000000000, beat: 1763000000123, ttl: 31 * time.Second, state: stateLive, digest: "0a1b", name: "a host  of \uFFFD ours ",
	}
	if err != nil || e != want {
		t.Errorf("%+v, %v", e, err)
	}
	for _, s := range []string{
		"", " ", "1", "1 2 3 live d", "x 2 3 live d n", "-1 2 3 live d n", "1 y 3 live d n", "1 2 z live d n", "1  2 3 live d",
		"9007199254740993000 2 3 live d n", "1 2 99999999999 live d n", "1.5 2 3 live d n", strings.Repeat("9", 1000) + " 2 3 live d n",
	} {
		if e, err := parseEntry(s); !errors.Is(err, errEntry) || e != (entry{}) {
			t.Errorf("%.40q: %+v, %v", s, e, err)
		}
	}
}

// Property: a host counts as alive while it was heard of within its time and has not said
// goodbye, by the clock that is given.
func TestEntryLive(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1_000_000)
	for _, c := range []struct {
		state hostState
		after time.Duration
		live  bool
	}{
		{stateLive, 0, true},
		{stateLive, 10 * time.Second, true},
		{stateLive, 10*time.Second + 1, false},
		{stateLive, -time.Hour, true}, // Redis' clock was set back
		{stateFinal, 0, false},
		{stateEphemeral, 0, false},
	} {
		e := entry{beat: at.UnixMilli(), ttl: 10 * time.Second, state: c.state}
		if got := e.live(at.Add(c.after)); got != c.live {
			t.Errorf("%s after %v: live %v", c.state, c.after, got)
		}
	}
}

// Property: an edition is read as it is written; what is malformed is refused, so that
// nobody takes a damaged index for one without an archive.
func TestParseEdition(t *testing.T) {
	t.Parallel()
	id := mmapstore.NewID()
	for _, e := range []edition{{}, {1, id, false}, {1<<64 - 1, id, true}} {
		if got, err := parseEdition(e.String()); err != nil || got != e {
			t.Errorf("%v: %v, %v", e, got, err)
		}
	}
	for _, s := range []string{
		" ", "1", "1 " + id.String(), "1 " + id.String() + " both", "1  sum", "x " + id.String() + " sum", "1 " + id.String()[1:] + " sum",
		"1 " + id.String() + "00 sum", "1 " + strings.Repeat("x", 32) + " sum", "1 " + id.String() + " sum ", "-1 " + id.String() + " sum",
	} {
		if e, err := parseEdition(s); !errors.Is(err, errEntry) || e != (edition{}) {
			t.Errorf("%q: %v, %v", s, e, err)
		}
	}
}

// Property: all keys of a namespace have its hash tag and nobody else's; a name that could
// make another tag is refused.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "a{b", "a}b", "{}", "a\nb", "a\x00", "\xff", strings.Repeat("x", maxNamespace+1)} {
		if CheckNamespace(name) == nil {
			t.Errorf("%q is taken", name)
		}
	}
	id := mmapstore.NewID()
	seen := make(map[string]bool)
	for _, name := range []string{DefaultNamespace, "a", "a:host", "ä b", strings.Repeat("x", maxNamespace)} {
		if err := CheckNamespace(name); err != nil {
			t.Error(err)
		}
		k := keysOf(name)
		for _, key := range []string{k.index(), k.archive(), k.host(id), k.gone(id)} {
			_, rest, _ := strings.Cut(key, "{")
			if tag, _, _ := strings.Cut(rest, "}"); tag != name || seen[key] || !strings.HasPrefix(key, "promfold:") {
				t.Errorf("key %q of %q", key, name)
			}
			seen[key] = true
		}
	}
}
