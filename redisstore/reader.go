package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// ReaderOptions are the choices of NewReader. Client is needed; for the rest the zero value
// works.
type ReaderOptions struct {
	// Client is for the caller to close, after the reader.
	Client redis.UniversalClient
	// Namespace of the fleet. Default: DefaultNamespace.
	Namespace string
	// Labels are added to every series.
	Labels []mmapstore.Label
	// ByHost keeps hosts apart, by a label host on every series. Otherwise gauges of the
	// modes all and liveall alone have it. All readers of a namespace must agree.
	ByHost bool
	// HostTTL is how long after it was last heard of a host is folded. Default 1 h.
	HostTTL time.Duration
	// Interval between rounds in which hosts are folded. Default 10 s.
	Interval time.Duration
	// Retention is how long Redis remembers what was folded of a host. Default 24 h.
	Retention time.Duration
	// Logger hears of changes for better or worse. Default: slog.Default().
	Logger *slog.Logger
}

func (o *ReaderOptions) setDefaults() error {
	o.Namespace = cmp.Or(o.Namespace, DefaultNamespace)
	o.HostTTL = cmp.Or(o.HostTTL, DefaultHostTTL)
	o.Interval = cmp.Or(o.Interval, DefaultInterval)
	o.Retention = cmp.Or(o.Retention, DefaultRetention)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	switch {
	case o.Client == nil:
		return errors.New("a reader needs a client")
	case o.HostTTL < 0 || o.Interval < 0 || o.Retention < 0:
		return fmt.Errorf("a reader's host TTL of %v, interval of %v and retention of %v must not be below 0", o.HostTTL, o.Interval, o.Retention)
	}
	return CheckNamespace(o.Namespace)
}

// Reader follows the hosts of a namespace. What it knows of them it keeps from read to
// read and fetches again only if it changed; and it puts back what Redis has lost.
// Goroutines may share it.
type Reader struct {
	o       ReaderOptions
	log     *slog.Logger
	keys    keys
	scripts scripts
	metrics *readerMetrics
	folding *health

	// turn holds a token while somebody reads or folds, who has the rest for himself.
	turn    chan struct{}
	archive *aggregate.Archive
	edition edition // of archive
	hosts   map[mmapstore.ID]*host
	recent  recent
	held    map[seriesKey]bool // series of the archive heldOf
	heldOf  *aggregate.Archive
	now     time.Time // of Redis, at the last read
	calmAt  time.Time // our own clock: hosts may be folded from then on; zero: see calm
}

// NewReader makes a reader. It fetches nothing before the first Read.
func NewReader(o ReaderOptions) (*Reader, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	log := o.Logger.With("namespace", o.Namespace)
	return &Reader{
		o: o, log: log, keys: keysOf(o.Namespace), scripts: newScripts(), metrics: newReaderMetrics(o.Namespace),
		folding: &health{log: log, what: "fold hosts that are gone"},
		turn:    make(chan struct{}, 1), archive: aggregate.NewArchive(), hosts: make(map[mmapstore.ID]*host),
	}, nil
}

// Read brings what is known of the namespace up to date and returns it as sources of a
// merge, which do not change any more. What was known stays known when it fails.
func (r *Reader) Read(ctx context.Context) ([]aggregate.Source, error) {
	if err := r.begin(ctx); err != nil {
		return nil, r.named(err)
	}
	defer r.end()
	if err := r.update(ctx); err != nil {
		return nil, r.named(err)
	}
	return r.sources(), nil
}

// begin waits for its turn.
func (r *Reader) begin(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Reader) end() { <-r.turn }

func (r *Reader) named(err error) error {
	return fmt.Errorf("namespace %q in Redis: %w", r.o.Namespace, err)
}

// sources are the archive and the hosts that it does not hold.
func (r *Reader) sources() []aggregate.Source {
	sources := []aggregate.Source{r.archive.Source(r.keys.archive(), r.o.Labels)}
	for _, h := range r.sorted() {
		if h.record != nil && !r.archive.Holds(h.id) {
			sources = append(sources, h.source(h.state(r.now), r.keys, r.o.Labels))
		}
	}
	return sources
}

// sorted are the hosts in the order of their ids.
func (r *Reader) sorted() []*host {
	return slices.SortedFunc(maps.Values(r.hosts), func(a, b *host) int { return slices.Compare(a.id[:], b.id[:]) })
}

// index is what Redis says at one moment.
type index struct {
	now     time.Time
	edition edition
	entries map[mmapstore.ID]entry
}

// updateTries bounds how often the archive may change while hosts are fetched.
const updateTries = 5

// update fetches what is new. Counts go over from a host to the archive, so both must be
// of one moment: the archive is looked at again after the last host was fetched.
func (r *Reader) update(ctx context.Context) error {
	err := r.tryUpdate(ctx)
	if err != nil {
		r.calmAt = time.Time{} // hosts may have been silent because Redis was away
	}
	return err
}

func (r *Reader) tryUpdate(ctx context.Context) error {
	for range updateTries {
		x, err := r.fetchIndex(ctx)
		if err != nil {
			return err
		}
		if err := r.agree(x); err != nil {
			return err
		}
		settled, err := r.putBack(ctx, x)
		if err == nil && settled {
			settled, err = r.fetch(ctx, x)
		}
		if err != nil {
			return err
		}
		if settled {
			r.settle(x)
			return nil
		}
	}
	return errors.New("the archive keeps changing")
}

// fetchIndex is one round trip.
func (r *Reader) fetchIndex(ctx context.Context) (*index, error) {
	answer, err := r.scripts.index.Run(ctx, r.o.Client, []string{r.keys.index()}).Slice()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.keys.index(), err)
	}
	now, fields, err := indexAnswer(answer)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.keys.index(), err)
	}
	x := &index{now: now, entries: make(map[mmapstore.ID]entry, len(fields)/2)}
	malformed := 0
	for i := 0; i+1 < len(fields); i += 2 {
		field, value := fields[i], fields[i+1]
		if field == fieldArchive {
			if x.edition, err = parseEdition(value); err != nil {
				return nil, err
			}
			continue
		}
		id, err1 := parseID(field)
		e, err2 := parseEntry(value)
		if err := errors.Join(err1, err2); err != nil {
			malformed++
			r.metrics.bad.say(r.log, field, err)
			if h := r.hosts[id]; err1 == nil && h != nil {
				x.entries[id] = h.entry.asUnread()
			}
			continue
		}
		x.entries[id] = e
	}
	r.metrics.malformed.Store(int64(malformed))
	return x, nil
}

// indexAnswer reads what index.lua returns: seconds and microseconds, then fields and
// values of the hash in turn.
func indexAnswer(answer []any) (now time.Time, fields []string, err error) {
	if len(answer) != 2 {
		return now, nil, fmt.Errorf("%w: %d parts", errEntry, len(answer))
	}
	clock, err1 := texts(answer[0])
	fields, err2 := texts(answer[1])
	if err := errors.Join(err1, err2); err != nil || len(clock) != 2 {
		return now, nil, fmt.Errorf("%w: clock %q: %w", errEntry, clock, err)
	}
	seconds, err1 := strconv.ParseInt(clock[0], 10, 64)
	micros, err2 := strconv.ParseInt(clock[1], 10, 64)
	return time.Unix(seconds, micros*1000), fields, errors.Join(err1, err2)
}

// texts are the elements of an answer that is a list of strings.
func texts(answer any) ([]string, error) {
	all, ok := answer.([]any)
	if !ok {
		return nil, fmt.Errorf("%w: %T for a list", errEntry, answer)
	}
	list := make([]string, len(all))
	for i := range all {
		if list[i], ok = all[i].(string); !ok {
			return nil, fmt.Errorf("%w: %T for a string", errEntry, all[i])
		}
	}
	return list, nil
}

// agree refuses a namespace whose archive keeps hosts apart when we do not, or the other way
// round: what is in it once cannot be told apart, nor from series that had the label host
// before.
func (r *Reader) agree(x *index) error {
	switch {
	case x.edition == (edition{}) || x.edition.byHost == r.o.ByHost:
		return nil
	case r.o.ByHost:
		return errors.New("its archive does not keep hosts apart: --redis.by-host needs a namespace that has it from the beginning")
	default:
		return errors.New("its archive keeps hosts apart: all its readers need --redis.by-host")
	}
}

// settle makes what was fetched what is known.
func (r *Reader) settle(x *index) {
	r.now = x.now
	states := map[string]int64{"live": 0, "expired": 0, "final": 0}
	for id, h := range r.hosts {
		if _, ok := x.entries[id]; !ok && !h.stuck { // it was folded: what is merely lost was put back
			delete(r.hosts, id)
			continue
		}
		states[h.stateName(r.now)]++
	}
	r.metrics.note(states, r.edition.generation)
}

// Collectors are metrics about the reader.
func (r *Reader) Collectors() []prometheus.Collector { return r.metrics.collectors() }
