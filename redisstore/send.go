//go:build unix

package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// sent is what Redis has acknowledged of a publisher.
type sent struct {
	layout *aggregate.Archive // whose Schema and History the schema came from
	digest string
	schema []byte // encoded, of layout; not yet acknowledged if known is false
	known  bool   // Redis has the schema
	last   uint64 // number that was given out last
	// whole: Redis has words, as of the schema, under the number seq.
	whole bool
	words []uint64
	seq   uint64
}

// sendTries bounds how often one publication is sent in other words: anew in full, as
// another host, with a later number.
const sendTries = 5

// errRefused: Redis runs the script, and what it holds makes no sense.
var errRefused = errors.New("the publication was refused")

// send brings Redis up to date, in one round trip as a rule: with a heartbeat if nothing
// has changed, with the values, or with all.
func (p *Publisher) send(ctx context.Context, now record, state hostState) error {
	for range sendTries {
		own, rest := aggregate.Less(now.Archive, p.as.base, now.whole)
		if rest != p.as.base { // what began anew must not be less than the base for ever
			p.as.base = rest
			if err := p.file.save(p.as); err != nil {
				return err
			}
		}
		if err := p.takeLayout(own); err != nil {
			return err
		}
		answer, err := p.call(ctx, p.message(own, state))
		if err != nil {
			return err
		}
		switch word, rest, _ := strings.Cut(answer, " "); word {
		case "ok":
			return nil
		case "resend":
			p.sent.known, p.sent.whole = false, false
		case "stale":
			seq, err := strconv.ParseUint(rest, 10, 53)
			if err != nil {
				return fmt.Errorf("%w: number %q", errRefused, rest)
			}
			p.sent.last, p.sent.whole = max(p.sent.last, seq), false
		case "gone":
			if err := p.comeBack(ctx, now.Archive); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%w: answer %q", errRefused, answer)
		}
	}
	return fmt.Errorf("%w %d times", errRefused, sendTries)
}

// takeLayout encodes the schema if it is another than the last time.
func (p *Publisher) takeLayout(own *aggregate.Archive) error {
	if s := &p.sent; s.layout != nil && sameLayout(s.layout, own) {
		return nil
	}
	digest, schema, err := encodeSchema(own)
	if err != nil {
		return err
	}
	if p.sent.digest != digest {
		p.sent.known, p.sent.whole = false, false
	}
	p.sent.layout, p.sent.digest, p.sent.schema = own, digest, schema
	return nil
}

// sameLayout reports whether two records share their schema and history.
func sameLayout(a, b *aggregate.Archive) bool {
	return sameMemory(a.Schema.Families, b.Schema.Families) && sameMemory(a.Schema.Series, b.Schema.Series) &&
		sameMemory(a.History.Series, b.History.Series)
}

func sameMemory[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// message is what one call of publish.lua says.
type message struct {
	kind           publicationKind
	seq            uint64
	state          hostState
	schema, values []byte
	words          []uint64
}

// message chooses the shortest that says all. Its number is later than that of the one
// before, also when it says the same once more because nobody acknowledged that.
func (p *Publisher) message(own *aggregate.Archive, state hostState) message {
	s := &p.sent
	if s.whole && slices.Equal(s.words, own.Words) {
		return message{kind: heartbeat, seq: s.seq, state: state, words: s.words}
	}
	s.last = max(s.last+1, uint64(time.Now().UnixMicro()))
	m := message{kind: valuesOnly, seq: s.last, state: state, words: own.Words, values: encodeValues(own.Words)}
	if !s.known {
		m.kind, m.schema = full, s.schema
	}
	return m
}

// call sends a message and notes what Redis then has.
func (p *Publisher) call(ctx context.Context, m message) (answer string, err error) {
	id := p.as.id
	answer, err = p.scripts.publish.Run(ctx, p.o.Client, []string{p.keys.index(), p.keys.host(id), p.keys.gone(id)},
		id.String(), m.seq, livesFor(p.o.Interval).Milliseconds(), string(m.state), 0, p.o.Host, p.sent.digest, m.schema, m.values).Text()
	if err != nil {
		p.sent.whole = p.sent.whole && m.kind == heartbeat // otherwise nobody knows
		return "", fmt.Errorf("publish as host %s: %w", id, err)
	}
	if answer == "ok" {
		s := &p.sent
		s.known, s.whole, s.words, s.seq = true, true, m.words, m.seq
		p.metrics.count(m)
	}
	return answer, nil
}

// livesFor is for how long a host counts as alive that publishes once in the interval.
func livesFor(interval time.Duration) time.Duration { return 3*interval + time.Second }

// comeBack goes on as another host, after Redis has told that this one was folded: with
// what was folded as the base, above which it publishes.
func (p *Publisher) comeBack(ctx context.Context, record *aggregate.Archive) error {
	folded, err := p.folded(ctx)
	if err != nil {
		return err
	}
	base := record // all that is there: better lost than counted twice
	if folded == nil {
		p.log.Warn("This host was folded, and Redis does not know any more with which counts: it counts from now", "id", p.as.id)
		p.metrics.baseless.Add(1)
	} else if base, err = joined(p.as.base, folded); err != nil {
		return fmt.Errorf("come back after having been folded: %w", err)
	}
	next := p.as.next(base)
	if err := p.file.save(next); err != nil {
		return err
	}
	p.log.Info("This host was folded, and comes back as another", "id", p.as.id, "next", next.id)
	p.metrics.returns.Add(1)
	p.as, p.sent = next, sent{}
	return nil
}

// folded is what of this host was folded, nil if nobody knows.
func (p *Publisher) folded(ctx context.Context) (*aggregate.Archive, error) {
	got, err := p.o.Client.HMGet(ctx, p.keys.gone(p.as.id), fieldSeq, fieldSchema, fieldValues).Result()
	if err != nil {
		return nil, fmt.Errorf("what was folded of host %s: %w", p.as.id, err)
	}
	text := func(i int) string { s, _ := got[i].(string); return s }
	if s := &p.sent; s.whole && text(0) == strconv.FormatUint(s.seq, 10) {
		return &aggregate.Archive{Schema: s.layout.Schema, History: s.layout.History, Words: s.words}, nil
	}
	return decodable(got[1], got[2]), nil
}

// decodable is the record of a schema and values as Redis gives them, nil if there is none
// that can be read.
func decodable(schema, values any) *aggregate.Archive {
	s, _ := schema.(string)
	v, _ := values.(string)
	pub := publication{schema: []byte(s), values: []byte(v)}
	record, err := pub.decode()
	if err != nil {
		return nil
	}
	return record
}

// joined is what two bases hold together.
func joined(a, b *aggregate.Archive) (*aggregate.Archive, error) {
	ids := []mmapstore.ID{mmapstore.NewID(), mmapstore.NewID()}
	dead := func(r *aggregate.Archive, id mmapstore.ID) aggregate.Source {
		return r.As(aggregate.Meta{ID: id, Name: "base", State: mmapstore.Dead})
	}
	all, _, err := aggregate.Fold(aggregate.NewArchive(), []aggregate.Source{dead(a, ids[0]), dead(b, ids[1])},
		map[mmapstore.ID]bool{ids[0]: true, ids[1]: true}, aggregate.FoldOptions{Partial: true})
	if err != nil {
		return nil, err
	}
	all.Absorbed = nil
	return all, nil
}
