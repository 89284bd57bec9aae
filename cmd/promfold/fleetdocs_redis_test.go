//go:build redis && linux

package main_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// Users of docs/fleet.md.
const (
	hostUser   = "promfold-host"
	readerUser = "promfold-reader"
)

// documentedUsers are the commands by which docs/fleet.md makes its users, as words.
func documentedUsers(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "docs", "fleet.md"))
	if err != nil {
		t.Fatal(err)
	}
	users := make(map[string][]string)
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 3 && words[0] == "ACL" && words[1] == "SETUSER" {
			users[words[2]] = words
		}
	}
	if len(users) != 2 || users[hostUser] == nil || users[readerUser] == nil {
		t.Fatalf("users of the document: %q", users)
	}
	return users
}

// Property: with the users that docs/fleet.md gives to hosts and readers, a fleet publishes, folds,
// returns and is restored, exactly. Each of their rights is needed: without it something fails, and
// says so.
func TestRedisRightsOfDocument(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	users := documentedUsers(t)
	for _, user := range []string{hostUser, readerUser} {
		for _, missing := range append([]string{"nothing"}, commandsOf(users[user])...) {
			t.Run(user+" without "+missing, func(t *testing.T) {
				d := newDrill(t, s)
				for name, words := range users {
					d.makeUser(words, func(right string) bool { return name == user && right == "+"+missing })
				}
				err := d.run()
				silent := errors.Is(err, errWrong) && !d.said()
				switch {
				case missing == "nothing" && err != nil:
					t.Error(err)
				case missing != "nothing" && err == nil:
					t.Error("nothing fails: the right is not needed, or nothing here needs it")
				case missing != "nothing" && silent:
					t.Errorf("nobody says so: %v", err)
				}
			})
		}
	}
}

func commandsOf(words []string) (all []string) {
	for _, w := range words {
		if command, ok := strings.CutPrefix(w, "+"); ok {
			all = append(all, command)
		}
	}
	return all
}

// drill is the life of a small fleet.
type drill struct {
	t      *testing.T
	s      *redistest.Server
	admin  *redis.Client
	reader *redisstore.Reader
	store  *worker.Store
	jobs   prometheus.Counter
	dir    string
}

func newDrill(t *testing.T, s *redistest.Server) *drill {
	d := &drill{t: t, s: s, admin: s.Client(), dir: t.TempDir()}
	d.do("flushall")
	d.do("script", "flush")
	d.store, d.jobs = d.work(d.dir)
	return d
}

func (d *drill) work(dir string) (*worker.Store, prometheus.Counter) {
	d.t.Helper()
	s, err := worker.New(dir, worker.WithLogger(quietLog))
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = s.Close() })
	return s, worker.With(s).NewCounter(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."})
}

var quietLog = slog.New(slog.DiscardHandler)

func (d *drill) do(args ...any) {
	d.t.Helper()
	if err := d.admin.Do(context.Background(), args...).Err(); err != nil {
		d.t.Fatalf("%v: %v", args, err)
	}
}

// makeUser makes a user as the document says, of the default namespace, without some rights.
func (d *drill) makeUser(words []string, leaveOut func(string) bool) {
	d.t.Helper()
	d.do("acl", "deluser", words[2])
	args := []any{"acl", "setuser", words[2]}
	for _, w := range words[3:] {
		if strings.HasPrefix(w, ">") {
			w = ">pass"
		}
		if !leaveOut(w) {
			args = append(args, strings.ReplaceAll(w, "{NS}", "{"+redisstore.DefaultNamespace+"}"))
		}
	}
	d.do(args...)
}

func (d *drill) as(user string) redis.UniversalClient {
	d.t.Helper()
	file := filepath.Join(d.t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("pass\n"), 0o600); err != nil {
		d.t.Fatal(err)
	}
	client, err := redisstore.Config{URL: d.s.URL(), Username: user, PasswordFile: file, Timeout: patience}.Connect()
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = client.Close() })
	return client
}

// publisher begins to publish a directory. At the end of the test it may do all.
func (d *drill) publisher(dir string, ephemeral bool) *redisstore.Publisher {
	d.t.Helper()
	files := directory.New(dir, directory.Options{})
	p, err := redisstore.NewPublisher(redisstore.PublisherOptions{
		Client: d.as(hostUser), Directory: files, Interval: time.Hour, Ephemeral: ephemeral, Logger: quietLog,
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		d.do("acl", "setuser", hostUser, "+@all")
		_ = p.Close()
		_ = files.Close()
	})
	return p
}

func (d *drill) newReader() *redisstore.Reader {
	d.t.Helper()
	r, err := redisstore.NewReader(redisstore.ReaderOptions{Client: d.as(readerUser), Interval: time.Nanosecond, Logger: quietLog})
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

// errWrong: no call has failed, and what came of it is wrong.
var errWrong = errors.New("wrong")

// said reports whether the reader has counted an error that it could go on without.
func (d *drill) said() bool {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(d.reader.Collectors()...)
	families, err := registry.Gather()
	if err != nil {
		d.t.Fatal(err)
	}
	return rig.FromFamilies(slices.Values(families)).Sum("promfold_redis_read_errors_total") > 0
}

// run lives through all that hosts and readers do, and returns what goes wrong first.
func (d *drill) run() error {
	d.reader = d.newReader()
	p := d.publisher(d.dir, false)
	d.jobs.Add(3)
	if err := first(p.Flush(d.t.Context()), d.shows(d.reader, 3)); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	d.jobs.Add(1)
	if err := first(p.Flush(d.t.Context()), p.Flush(d.t.Context()), d.shows(d.reader, 4)); err != nil {
		return fmt.Errorf("publish again: %w", err)
	}
	job := d.t.TempDir()
	_, jobs := d.work(job)
	jobs.Add(100)
	if err := first(d.publisher(job, true).Close(), d.shows(d.reader, 104), p.Close(), d.fold()); err != nil {
		return fmt.Errorf("fold: %w", err)
	}
	if n := d.admin.HLen(d.t.Context(), key("index")).Val(); n != 1 {
		return fmt.Errorf("fold: %w: %d entries are left", errWrong, n)
	}
	gone := d.admin.Keys(d.t.Context(), key("gone:*")).Val()
	d.jobs.Add(10)
	p = d.publisher(d.dir, false)
	if err := first(p.Flush(d.t.Context()), d.shows(d.reader, 114), d.shows(d.newReader(), 114)); err != nil {
		return fmt.Errorf("return: %w", err)
	}
	return first(d.restored(gone), p.Flush(d.t.Context()), d.shows(d.newReader(), 114))
}

// first is the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// restored has Redis lose all or the archive, with and without something else in the place of what
// tells that hosts were folded.
func (d *drill) restored(gone []string) error {
	hasBase := func(key string) bool { return d.admin.HExists(d.t.Context(), key, "values").Val() }
	bases := slices.DeleteFunc(slices.Clone(gone), func(key string) bool { return !hasBase(key) })
	for _, other := range []bool{false, true} {
		d.do("flushall")
		for _, key := range gone {
			if other {
				d.do("set", key, "x")
			}
		}
		if err := first(d.shows(d.reader, 114), d.shows(d.newReader(), 114)); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		for _, key := range gone {
			if d.admin.HGet(d.t.Context(), key, "seq").Val() == "" || d.admin.PTTL(d.t.Context(), key).Val() <= 0 {
				return fmt.Errorf("restore: %w: %s", errWrong, key)
			}
		}
		if len(bases) != 1 || !hasBase(bases[0]) {
			return fmt.Errorf("restore: %w: bases of hosts that may return: %q", errWrong, bases)
		}
	}
	d.do("del", key("archive"))
	if err := d.fold(); err != nil {
		return fmt.Errorf("restore the archive: %w", err)
	}
	return d.shows(d.newReader(), 114)
}

func key(rest string) string { return "promfold:{" + redisstore.DefaultNamespace + "}:" + rest }

// fold has the reader fold what is gone; its first round only takes note of the time.
func (d *drill) fold() error {
	return first(d.reader.Fold(d.t.Context()), d.reader.Fold(d.t.Context()))
}

// shows compares what a reader shows.
func (d *drill) shows(r *redisstore.Reader, want float64) error {
	sources, err := r.Read(d.t.Context())
	if err != nil {
		return err
	}
	result, err := aggregate.NewMerger(nil).Merge(sources)
	if err != nil {
		return err
	}
	if got := rig.FromFamilies(slices.Values(result.Metrics())).Sum("jobs_total"); got != want {
		return fmt.Errorf("%w: %v jobs, want %v", errWrong, got, want)
	}
	return nil
}

// Property: a reader does not serve the directory that the environment names, which may be an application's
// whose counts come by Redis as well, but the one that a flag names; a sidecar serves it.
func TestRedisServeEnvironment(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	dir := t.TempDir()
	count(t, dir, 3)
	env := []string{"PROMETHEUS_MULTIPROC_DIR=" + dir}
	url := "--redis.url=" + s.URL()
	sidecar := serve(t, env, url, "--redis.publish", "--redis.interval=10ms", "--redis.timeout=20s")
	sidecar.wants("jobs_total 3")
	reader := serve(t, env, url, "--redis.source", "--redis.timeout=20s")
	reader.eventually("jobs_total 3") // not 6
	reader.wants("jobs_total 3", "promfold_directories 0")
	other := t.TempDir()
	count(t, other, 4)
	serve(t, env, url, "--redis.source", "--redis.timeout=20s", "--multiproc.dir="+other).eventually("jobs_total 7")
}
