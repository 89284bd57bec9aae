//go:build unix

package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
)

// Defaults of publishers and readers.
const (
	DefaultInterval  = 10 * time.Second
	DefaultHostTTL   = time.Hour
	DefaultRetention = 24 * time.Hour
	// closeTimeout bounds how long Close strives to publish once more.
	closeTimeout = 5 * time.Second
)

// PublisherOptions are the choices of NewPublisher. Client and Directory are needed; for
// the rest the zero value works.
type PublisherOptions struct {
	// Client is for the caller to close, after the publisher.
	Client redis.UniversalClient
	// Directory is what is published.
	Directory *directory.Directory
	// Namespace of the fleet. Default: DefaultNamespace.
	Namespace string
	// Host is the value of the label host. Default: the host's name.
	Host string
	// Interval between publications. Default 10 s. A host that was not heard of for three
	// of them leaves the live modes of gauges.
	Interval time.Duration
	// Retention is how long Redis remembers hosts that were folded, as the readers have it.
	// A directory that was away for longer counts from its return only. Default 24 h.
	Retention time.Duration
	// Ephemeral: after Close nobody goes on from the files of the directory, so that
	// Redis need not keep what would tell old counts from new ones.
	Ephemeral bool
	// Logger hears of changes for better or worse. Default: slog.Default().
	Logger *slog.Logger
}

func (o *PublisherOptions) setDefaults() error {
	o.Namespace = cmp.Or(o.Namespace, DefaultNamespace)
	o.Interval = cmp.Or(o.Interval, DefaultInterval)
	o.Retention = cmp.Or(o.Retention, DefaultRetention)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Host == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("name of the host: %w", err)
		}
		o.Host = name
	}
	o.Host = strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(o.Host, "\uFFFD"))
	switch {
	case o.Client == nil || o.Directory == nil:
		return errors.New("a publisher needs a client and a directory")
	case o.Interval < 0 || o.Retention < 0:
		return fmt.Errorf("a publisher's interval of %v and retention of %v must not be below 0", o.Interval, o.Retention)
	}
	return CheckNamespace(o.Namespace)
}

// Publisher publishes a directory again and again, from a goroutine of its own, until it
// is closed. Of several publishers of one directory, in any process, one is at work; the
// others stand by. What fails is tried again; nothing queues up, as each publication
// says all. Goroutines may share it.
type Publisher struct {
	o       PublisherOptions
	log     *slog.Logger
	keys    keys
	scripts scripts
	file    identityFile
	health  *health
	metrics *publisherMetrics

	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended

	// turn holds a token while somebody publishes, who has the rest for himself.
	turn     chan struct{}
	closed   bool
	lock     *os.File // nil until it is ours
	recorder *aggregate.Recorder
	as       identity // the last that was seen; without a base before that
	// identified: as is what the file says, under our lock.
	identified bool
	touched    time.Time // when the identity's file was confirmed last
	sent       sent
}

// NewPublisher begins to publish. Nothing that fails later is told to the caller but by
// Flush and Close.
func NewPublisher(o PublisherOptions) (*Publisher, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	log := o.Logger.With("dir", o.Directory.Path())
	p := &Publisher{
		o: o, log: log, keys: keysOf(o.Namespace), scripts: newScripts(), file: identityFile{o.Directory},
		health: &health{log: log, what: "publish to Redis"}, metrics: newPublisherMetrics(),
		done: make(chan struct{}), turn: make(chan struct{}, 1), recorder: aggregate.NewRecorder(nil),
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	go p.run(ctx)
	return p, nil
}

// Collectors are metrics about the publisher.
func (p *Publisher) Collectors() []prometheus.Collector {
	return []prometheus.Collector{PublishersCollector(func() []*Publisher { return []*Publisher{p} })}
}

func (p *Publisher) run(ctx context.Context) {
	defer close(p.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		_ = p.try(ctx, stateLive)
		timer.Reset(p.health.wait(p.o.Interval))
	}
}

// Flush publishes now, after a task say, and returns when Redis has it. Where another
// publisher has the directory it returns nil as well: that one publishes at its next
// interval.
func (p *Publisher) Flush(ctx context.Context) error {
	return p.try(ctx, stateLive)
}

// try publishes and takes notice of how it went. Nothing to publish is no failure, and
// no success either; nor is an end of ctx.
func (p *Publisher) try(ctx context.Context, state hostState) error {
	err := p.publish(ctx, state)
	switch {
	case errors.Is(err, errIdle):
		return nil
	case errors.Is(err, errClosed), ctx.Err() != nil:
		return err
	}
	return p.health.note(err)
}

// Close publishes for the last time, for five seconds at most, and says so: readers fold
// the host at once. It returns why that failed; then Redis has the last publication that
// worked, and readers fold it when they have not heard of the host for long enough.
func (p *Publisher) Close() error {
	p.cancel()
	<-p.done
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	state := stateFinal
	if p.o.Ephemeral {
		state = stateEphemeral
	}
	err := p.try(ctx, state)
	for err != nil && !errors.Is(err, errClosed) && sleep(ctx, p.health.wait(p.o.Interval)) {
		err = p.try(ctx, state)
	}
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	p.closed = true
	if p.lock != nil {
		p.file.unlock(p.lock)
		p.lock = nil
	}
	if errors.Is(err, errClosed) {
		return nil
	}
	return err
}

// sleep reports false if ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

var (
	errClosed = errors.New("the publisher is closed")
	// errIdle: another publisher has the directory, or there is none yet.
	errIdle = errors.New("nothing to publish")
)

// publish records the directory and sends what is new about it.
func (p *Publisher) publish(ctx context.Context, state hostState) error {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if p.closed {
		return errClosed
	}
	if err := p.claim(); err != nil {
		return err
	}
	now, err := p.record(ctx)
	if err == nil {
		err = p.identify(ctx, now)
	}
	if err == nil {
		err = p.send(ctx, now, state)
	}
	if err != nil {
		return err
	}
	p.as.confirmed = time.Now()
	return p.confirm()
}

// claim takes the right to publish. It fails with errIdle where another publisher has it, or
// where there is no directory yet.
func (p *Publisher) claim() error {
	if p.lock != nil && p.file.holds(p.lock) {
		return nil
	}
	if p.lock != nil { // somebody has removed it, and others may have the lock of now
		p.file.unlock(p.lock)
		p.lock, p.identified = nil, false
	}
	var err error
	p.lock, err = p.file.lock()
	p.metrics.standby.Store(p.lock == nil && err == nil)
	_, missing := os.Stat(p.o.Directory.Path())
	idle := err != nil && errors.Is(missing, fs.ErrNotExist)
	p.metrics.waiting.Store(idle)
	if idle {
		return errIdle
	}
	if p.lock != nil || err != nil {
		return err
	}
	if as, err := p.file.load(); err == nil {
		p.as = as // should it be gone when it is our turn
	}
	return errIdle
}

// record is what a directory comes to; whole is false if something in it could not be
// read.
type record struct {
	*aggregate.Archive
	whole bool
}

func (p *Publisher) record(ctx context.Context) (record, error) {
	view, err := p.o.Directory.Scan(ctx)
	if err != nil {
		return record{}, fmt.Errorf("scan the directory: %w", err)
	}
	defer view.Close() // before anything waits for Redis
	a, unread := p.recorder.Record(view.Sources())
	return record{a, len(unread) == 0 && len(view.Problems) == 0 && !view.Missing}, nil // what cannot be read the exporter names
}

// identify finds out as which host to publish.
func (p *Publisher) identify(ctx context.Context, now record) error {
	if p.identified && away(p.as.confirmed) <= p.o.Retention {
		return nil
	}
	as := p.as
	var err error
	if !p.identified {
		as, err = p.file.load()
	}
	switch {
	case errors.Is(err, errNoIdentity):
		if as = p.as; as.base == nil {
			as = identity{}.next(aggregate.NewArchive())
		}
		err = p.file.save(as)
	case errors.Is(err, errDamagedIdentity):
		// What was published under the id that is lost stays; to count it again would be
		// worse than to lose what was counted since.
		p.log.Warn("The host id is damaged: the directory is another host from here on, and counts from now", "err", err)
		p.metrics.baseless.Add(1)
		as = identity{}.next(now.Archive)
		if err = p.file.discard(); err == nil {
			err = p.file.save(as)
		}
	case err == nil && away(as.confirmed) > p.o.Retention:
		as, err = p.afterLongAbsence(ctx, as, now.Archive)
	case err == nil && !p.identified && now.whole:
		as, err = p.afterWipe(ctx, as, now.Archive)
	}
	if err != nil {
		return err
	}
	if as.id != p.as.id {
		p.sent = sent{}
	}
	p.as, p.identified, p.touched = as, true, time.Now()
	return nil
}

// away is how long ago a time was, also if the machine slept meanwhile or had another clock.
func away(since time.Time) time.Duration {
	return max(time.Since(since), time.Now().Round(0).Sub(since.Round(0)))
}

// afterLongAbsence is as whom to go on when Redis may have forgotten that it has
// folded the host. If it knows of the host, all is well.
func (p *Publisher) afterLongAbsence(ctx context.Context, as identity, record *aggregate.Archive) (identity, error) {
	n, err := p.o.Client.Exists(ctx, p.keys.host(as.id), p.keys.gone(as.id)).Result()
	if err != nil || n > 0 {
		as.confirmed = time.Now() // as far as it matters: Redis knows of it
		return as, err
	}
	p.log.Warn("The directory was away for longer than Redis remembers: it counts from now", "confirmed", as.confirmed)
	p.metrics.baseless.Add(1)
	next := as.next(record)
	return next, p.file.save(next)
}

// afterWipe is as whom to go on when counts that were published are not there any more:
// somebody has removed files while nobody published. What was published stays, under the id that it has, and
// the directory is another host from here on. Otherwise all hosts' sum would go down.
func (p *Publisher) afterWipe(ctx context.Context, as identity, record *aggregate.Archive) (identity, error) {
	got, err := p.o.Client.HMGet(ctx, p.keys.host(as.id), fieldSchema, fieldValues).Result()
	if err != nil {
		return as, fmt.Errorf("what host %s has published: %w", as.id, err)
	}
	published := decodable(got[0], got[1])
	if published == nil { // it is written anew
		return as, nil
	}
	held, err := joined(as.base, published)
	if err != nil {
		return as, err
	}
	common, all := aggregate.Common(record, held)
	if all {
		return as, nil
	}
	next := as.next(common)
	p.log.Warn("Counts that were published are gone from the directory: it is another host from here on", "id", as.id, "next", next.id)
	p.metrics.baseless.Add(1)
	return next, p.file.save(next)
}

// confirmEvery is how often the identity's file is told that all is well.
const confirmEvery = time.Minute

// confirm notes that a publication was acknowledged. Whoever has removed the file gets
// it back: it must be there when the next publisher comes.
func (p *Publisher) confirm() error {
	now := time.Now()
	gone := false
	if there, err := p.file.there(); err == nil {
		gone = !there
	}
	if now.Sub(p.touched) < confirmEvery && !gone {
		return nil
	}
	p.touched = now
	err := p.file.confirm()
	if errors.Is(err, errNoIdentity) {
		return p.file.save(p.as)
	}
	return err
}
