//go:build redis && linux

package redisstore_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/redistest"
	"github.com/promfold/promfold/redisstore"
	"github.com/promfold/promfold/worker"
)

// asked takes down what a client sends.
type asked struct {
	mu       sync.Mutex
	commands []string
	bytes    int // of arguments
}

func (a *asked) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (a *asked) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		a.note(cmd)
		return next(ctx, cmd)
	}
}

func (a *asked) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		a.note(cmds...)
		return next(ctx, cmds)
	}
}

func (a *asked) note(cmds ...redis.Cmder) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var names []string
	for _, cmd := range cmds {
		if cmd.Name() == "hello" { // of a connection
			return
		}
		names = append(names, cmd.Name())
		for _, arg := range cmd.Args() {
			switch arg := arg.(type) {
			case string:
				a.bytes += len(arg)
			case []byte:
				a.bytes += len(arg)
			}
		}
	}
	a.commands = append(a.commands, strings.Join(names, "+"))
}

// take is what was sent since the last take: a word for each round trip.
func (a *asked) take() (commands string, bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	commands, bytes = strings.Join(a.commands, " "), a.bytes
	a.commands, a.bytes = nil, 0
	return commands, bytes
}

// Property: a publication is one round trip. The first says all, a change of values alone
// the values, a new series all again, and no change a heartbeat without blobs. Each is
// counted as what it is.
func TestRedisPublishKinds(t *testing.T) {
	t.Parallel()
	s, client, keys := fleet(t)
	var a asked
	client.AddHook(&a)
	h := newSite(t, redisstore.PublisherOptions{Client: client, Host: "a b"})
	if commands, _ := a.take(); commands != "evalsha eval" { // the server has never seen the script
		t.Errorf("first publication: %s", commands)
	}
	labelled := worker.With(h.store).NewCounterVec(prometheus.CounterOpts{Name: "labelled_total", Help: "Labelled."}, []string{"l"})
	for i := range 200 {
		labelled.WithLabelValues(strconv.Itoa(i * 7919)).Add(float64(i) / 3)
	}
	h.flush()
	_, whole := a.take()
	before := s.CommandStats()["evalsha"]
	for _, c := range []struct {
		kind   string
		change func()
		min    int
		max    int // bytes
	}{
		{"heartbeat", func() {}, 0, 300},
		{"values", func() { h.jobs.Inc() }, 301, whole * 3 / 4},
		{"heartbeat", func() {}, 0, 300},
		{"full", func() { labelled.WithLabelValues("b").Inc() }, whole * 3 / 4, whole * 2},
		{"values", func() { labelled.WithLabelValues("b").Inc() }, 301, whole * 3 / 4},
	} {
		was := h.published(c.kind)
		c.change()
		h.flush()
		if commands, n := a.take(); commands != "evalsha" || n < c.min || n > c.max || h.published(c.kind) != was+1 {
			t.Errorf("%s: sent %s of %d bytes (full %d), %v publications of the kind before, %v after", c.kind, commands, n, whole, was, h.published(c.kind))
		}
	}
	if n := s.CommandStats()["evalsha"] - before; n != 5 {
		t.Errorf("the server has seen %d calls, want 5", n)
	}
	id := keys.only()
	h.end()
	if commands, n := a.take(); commands != "evalsha" || n > 300 {
		t.Errorf("last publication: %s of %d bytes", commands, n)
	}
	if state, name := keys.field(id, 3), keys.field(id, 5); state != "final" || name != "a b" {
		t.Errorf("state %q of host %q", state, name)
	}
}

// Property: a publisher goes on as the same host with the next number, and what was final
// lives again.
func TestRedisPublishRestart(t *testing.T) {
	t.Parallel()
	_, client, keys := fleet(t)
	h := newSite(t, redisstore.PublisherOptions{Client: client})
	h.add(1)
	id, seq := keys.only(), int64(0)
	for range 3 {
		h.again()
		next, err := strconv.ParseInt(keys.field(keys.only(), 0), 10, 64)
		if err != nil || keys.only() != id || next <= seq || keys.field(id, 3) != "live" {
			t.Errorf("number %d after %d of host %s, was %s: %s", next, seq, keys.only(), id, keys.entries()[id])
		}
		seq = next
	}
	h.o.Ephemeral = true
	h.again()
	h.end()
	if state := keys.field(id, 3); state != "ephemeral" {
		t.Errorf("state %q", state)
	}
}

// Property: a directory that is copied with its id is one host twice: what one of them counted
// is shown, never a sum of what is in both, and both go on.
func TestRedisPublishCopy(t *testing.T) {
	t.Parallel()
	_, client, keys := fleet(t)
	first := newSite(t, redisstore.PublisherOptions{Client: client})
	first.add(1)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(first.dir)); err != nil {
		t.Fatal(err)
	}
	second := siteAt(t, dir, redisstore.PublisherOptions{Client: client})
	second.publisher()
	r := newReader(t, redisstore.ReaderOptions{Client: client})
	for range 3 {
		first.add(1)
		jobs(t, first.counted(), r)
		second.add(10)
		jobs(t, second.counted(), r)
	}
	if ids := keys.ids(); len(ids) != 1 {
		t.Errorf("hosts %q", ids)
	}
}

// Property: nothing is published after Close, and Close may be called again.
func TestRedisPublishClosed(t *testing.T) {
	t.Parallel()
	_, client, keys := fleet(t)
	h := newSite(t, redisstore.PublisherOptions{Client: client})
	if err := h.p.Close(); err != nil {
		t.Error(err)
	}
	h.jobs.Inc()
	entry := keys.entries()[keys.only()]
	if err := h.p.Flush(t.Context()); err == nil {
		t.Error("a closed publisher claims to have published")
	}
	if err := h.p.Close(); err != nil {
		t.Error(err)
	}
	if now := keys.entries()[keys.only()]; now != entry {
		t.Errorf("%s became %s", entry, now)
	}
}

// Property: of two publishers of one directory one is at work, and the other takes over as
// the same host when that ends; nothing counts twice meanwhile.
func TestRedisPublishStandby(t *testing.T) {
	t.Parallel()
	_, client, keys := fleet(t)
	first := newSite(t, redisstore.PublisherOptions{Client: client})
	second := siteAt(t, first.dir, redisstore.PublisherOptions{Client: client})
	first.add(1)
	second.publisher()
	second.add(2)
	id := keys.only()
	r := newReader(t, redisstore.ReaderOptions{Client: client})
	jobs(t, 1, r)
	first.flush()
	jobs(t, 3, r)
	if n := metric(t, second.p, `promfold_redis_publishers{state="standby"}`); n != 1 {
		t.Errorf("%v stand by, want 1", n)
	}
	first.end()
	second.add(4)
	if now := keys.only(); now != id || keys.field(id, 3) != "live" {
		t.Errorf("host %s was %s, state %s", now, id, keys.field(id, 3))
	}
	jobs(t, 7, r)
	if n := metric(t, second.p, `promfold_redis_publishers{state="ok"}`); n != 1 {
		t.Errorf("%v at work, want 1", n)
	}
}

// Property: the right to publish is given up at Close even where a child of the process, on its
// way to exec, still has the file of the lock open.
func TestRedisPublishLockBesideFork(t *testing.T) {
	t.Parallel()
	_, client, keys := fleet(t)
	h := newSite(t, redisstore.PublisherOptions{Client: client})
	defer childOf(t, filepath.Join(h.dir, ".promfold", "publisher.lock"))()
	h.add(1)
	h.again()
	h.add(2)
	if state := keys.field(keys.only(), 3); state != "live" {
		t.Errorf("state %s: nobody publishes", state)
	}
	jobs(t, 3, newReader(t, redisstore.ReaderOptions{Client: client}))
}

// childOf holds the open file as a process does that was forked just now.
func childOf(t *testing.T, path string) (exec func()) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, _ := os.Readlink("/proc/self/fd/" + fd.Name()); to != path {
			continue
		}
		n, err := strconv.Atoi(fd.Name())
		if err != nil {
			t.Fatal(err)
		}
		child, err := unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return func() { _ = unix.Close(child) }
	}
	t.Fatalf("%s is not open", path)
	return nil
}

// Property: Flush returns when its context ends, also where another publication is under way
// that waits for Redis for as long as it takes.
func TestRedisPublishFlushDeadline(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	client, err := redisstore.Config{URL: s.URL(), Timeout: time.Hour}.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	h := newSite(t, redisstore.PublisherOptions{Client: client})
	s.Pause()
	defer s.Resume()
	var flushes sync.WaitGroup
	for range 4 {
		flushes.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if err := h.p.Flush(ctx); err == nil {
				t.Error("a server that is stopped has answered")
			}
		})
	}
	flushes.Wait()
}
