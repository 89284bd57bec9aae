//go:build redis && linux

package redisstore_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/redistest"
	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/redisstore"
	"github.com/promfold/promfold/worker"
)

// patience bounds all that a test waits for.
const patience = 30 * time.Second

// never is an interval in which nothing happens by itself.
const never = time.Hour

var quiet = slog.New(slog.DiscardHandler)

// logged is a log that can be asked. Goroutines may share it.
type logged struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// said is how many lines have the text.
func (l *logged) said(text string) (n int) {
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// dial is a client as the program has it, but that a busy machine may take its time.
func dial(t testing.TB, s *redistest.Server) redis.UniversalClient {
	t.Helper()
	redis.SetLogger(mute{})
	client, err := redisstore.Config{URL: s.URL(), Timeout: patience}.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// mute is for go-redis' own log.
type mute struct{}

func (mute) Printf(context.Context, string, ...any) {}

// site is a host of the fleet: a directory with one worker, and a publisher.
type site struct {
	t       testing.TB
	o       redisstore.PublisherOptions
	dir     string
	files   *directory.Directory
	workers int
	store   *worker.Store
	jobs    prometheus.Counter
	p       *redisstore.Publisher
}

// newSite makes a host that publishes when it is told.
func newSite(t testing.TB, o redisstore.PublisherOptions) *site {
	t.Helper()
	s := newUnpublished(t, o)
	s.publisher()
	return s
}

func newUnpublished(t testing.TB, o redisstore.PublisherOptions) *site {
	t.Helper()
	return siteAt(t, rig.NewDirectory(t, rig.User{}, 0o755), o)
}

// siteAt is a host whose directory is there.
func siteAt(t testing.TB, dir string, o redisstore.PublisherOptions) *site {
	t.Helper()
	if o.Interval == 0 {
		o.Interval = never
	}
	if o.Logger == nil {
		o.Logger = quiet
	}
	s := &site{t: t, o: o, dir: dir}
	s.work()
	t.Cleanup(s.dies)
	return s
}

// work begins another process of the host.
func (s *site) work() {
	s.t.Helper()
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			s.t.Fatal(err)
		}
	}
	s.workers++
	var err error
	s.store, err = worker.New(s.dir, worker.WithIdentity(fmt.Sprint("w", s.workers)), worker.WithLogger(quiet))
	if err != nil {
		s.t.Fatal(err)
	}
	s.jobs = worker.With(s.store).NewCounter(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."})
}

// publisher begins to publish. Its own first try has ended when it returns.
func (s *site) publisher() {
	s.t.Helper()
	s.begin()
	eventually(s.t, "the first try", func() bool {
		return s.published("full")+s.published("values")+s.published("heartbeat")+
			metric(s.t, s.p, "promfold_redis_publish_failures_total")+
			metric(s.t, s.p, `promfold_redis_publishers{state="standby"}`) > 0
	})
}

// published is how many publications of the kind Redis has acknowledged.
func (s *site) published(kind string) float64 {
	s.t.Helper()
	return metric(s.t, s.p, `promfold_redis_publications_total{kind="`+kind+`"}`)
}

// begin begins to publish, and waits for nothing.
func (s *site) begin() {
	s.t.Helper()
	s.files = directory.New(s.dir, directory.Options{})
	o := s.o
	o.Directory = s.files
	var err error
	if s.p, err = redisstore.NewPublisher(o); err != nil {
		s.t.Fatal(err)
	}
}

// flush publishes now.
func (s *site) flush() {
	s.t.Helper()
	if err := s.p.Flush(s.t.Context()); err != nil {
		s.t.Errorf("flush: %v", err)
	}
}

// add counts and publishes.
func (s *site) add(n float64) {
	s.t.Helper()
	s.jobs.Add(n)
	s.flush()
}

// end is the orderly end of the publisher.
func (s *site) end() {
	s.t.Helper()
	if s.p == nil {
		return
	}
	if err := s.p.Close(); err != nil {
		s.t.Errorf("close: %v", err)
	}
	s.p = nil
	_ = s.files.Close()
}

// dies lets go of what is left, whatever that says.
func (s *site) dies() {
	if s.p != nil {
		_ = s.p.Close()
		_ = s.files.Close()
	}
	_ = s.store.Close()
}

// again is an orderly end and a new beginning.
func (s *site) again() {
	s.t.Helper()
	s.end()
	s.publisher()
	s.flush()
}

// newReader makes a reader that folds at once what it may.
func newReader(t testing.TB, o redisstore.ReaderOptions) *redisstore.Reader {
	t.Helper()
	if o.Interval == 0 {
		o.Interval = time.Nanosecond
	}
	if o.Logger == nil {
		o.Logger = quiet
	}
	r, err := redisstore.NewReader(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// shown is what a scrape of the readers shows.
func shown(t testing.TB, readings ...redisstore.Reading) rig.Samples {
	t.Helper()
	var sources []aggregate.Source
	for _, r := range readings {
		all, err := r.Read(t.Context())
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		sources = append(sources, all...)
	}
	return merged(t, sources)
}

func merged(t testing.TB, sources []aggregate.Source) rig.Samples {
	t.Helper()
	result, err := aggregate.NewMerger(nil).Merge(sources)
	if err != nil {
		t.Fatalf("merge: %v", err)
	}
	return rig.FromFamilies(slices.Values(result.Metrics()))
}

// jobs says that a scrape of the readers shows so many jobs.
func jobs(t testing.TB, want float64, readings ...redisstore.Reading) {
	t.Helper()
	for i, r := range readings {
		if got := shown(t, r).Sum("jobs_total"); got != want {
			t.Errorf("reader %d: jobs_total %v, want %v", i, got, want)
		}
	}
}

// fold has the reader fold what is gone. The first round of a reader that finds no
// archive only takes note of the time.
func fold(t testing.TB, r *redisstore.Reader) {
	t.Helper()
	for range 2 {
		if err := r.Fold(t.Context()); err != nil {
			t.Fatalf("fold: %v", err)
		}
	}
}

// raw is a namespace as its keys have it.
type raw struct {
	t         testing.TB
	client    redis.UniversalClient
	namespace string
}

func (k raw) key(rest string) string { return "promfold:{" + k.namespace + "}:" + rest }

// entries are those of the index about hosts, by id.
func (k raw) entries() map[string]string {
	k.t.Helper()
	all, err := k.client.HGetAll(context.Background(), k.key("index")).Result()
	if err != nil {
		k.t.Fatal(err)
	}
	delete(all, "archive")
	return all
}

// ids are those of the hosts in the index.
func (k raw) ids() []string { return slices.Sorted(maps.Keys(k.entries())) }

// only is the id of the one host.
func (k raw) only() string {
	k.t.Helper()
	ids := k.ids()
	if len(ids) != 1 {
		k.t.Fatalf("hosts %q, want one", ids)
	}
	return ids[0]
}

// field of a host's entry, by its place.
func (k raw) field(id string, i int) string {
	k.t.Helper()
	f := strings.SplitN(k.entries()[id], " ", 6)
	if len(f) != 6 {
		k.t.Fatalf("host %s: entry %q", id, f)
	}
	return f[i]
}

// silence makes it longer ago that a host was heard of.
func (k raw) silence(id string, by time.Duration) {
	k.t.Helper()
	f := strings.SplitN(k.entries()[id], " ", 6)
	beat, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		k.t.Fatal(err)
	}
	f[1] = fmt.Sprint(beat - by.Milliseconds())
	k.set(id, strings.Join(f, " "))
}

func (k raw) set(id, entry string) {
	k.t.Helper()
	k.do("hset", k.key("index"), id, entry)
}

func (k raw) do(args ...any) {
	k.t.Helper()
	if err := k.client.Do(context.Background(), args...).Err(); err != nil {
		k.t.Fatalf("%.60v: %v", args, err)
	}
}

func (k raw) exists(key string) bool {
	k.t.Helper()
	n, err := k.client.Exists(context.Background(), k.key(key)).Result()
	if err != nil {
		k.t.Fatal(err)
	}
	return n == 1
}

// metric is the value of one of the collectors', with the labels as given.
func metric(t testing.TB, from interface{ Collectors() []prometheus.Collector }, series string) float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(from.Collectors()...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sample, ok := rig.FromFamilies(slices.Values(families))[series]
	if !ok {
		t.Fatalf("no %s", series)
	}
	return sample.Value
}

// eventually waits until it has come.
func eventually(t testing.TB, what string, come func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !come(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

// fleet is the usual beginning: a server, a client and the keys of the default namespace.
func fleet(t testing.TB) (*redistest.Server, redis.UniversalClient, raw) {
	t.Helper()
	s := redistest.Start(t, redistest.Options{})
	client := dial(t, s)
	return s, client, raw{t, s.Client(), redisstore.DefaultNamespace}
}
