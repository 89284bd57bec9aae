//go:build redis

package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/promfold/promfold/internal/need"
)

// Property: after SIGKILL and a restart, a server has what its persistence
// promises, and is found where it was.
func TestRedisKilled(t *testing.T) {
	for _, c := range []struct {
		persist Persist
		port    bool
		want    string
	}{
		{None, false, "[<nil> <nil>]"},
		{None, true, "[<nil> <nil>]"},
		{RDB, false, "[saved <nil>]"},
		{AOF, true, "[saved later]"},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			s := Start(t, Options{Persist: c.persist, Port: c.port})
			client, url, ctx := s.Client(), s.URL(), t.Context()
			must(t, client.Set(ctx, "a", "saved", 0).Err())
			must(t, client.Save(ctx).Err())
			must(t, client.Set(ctx, "b", "later", 0).Err())
			s.Kill()
			if err := client.Ping(ctx).Err(); err == nil {
				t.Fatal("a dead server answers")
			}
			s.Restart()
			if got := fmt.Sprint(client.MGet(ctx, "a", "b").Val()); got != c.want || s.URL() != url {
				t.Errorf("after the restart %s at %s, want %s at %s", got, s.URL(), c.want, url)
			}
		})
	}
}

// Property: a restart without a kill is an orderly end, which saves.
func TestRedisRestarted(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{Persist: RDB})
	client := s.Client()
	must(t, client.Set(t.Context(), "a", "kept", 0).Err())
	s.Restart()
	if got := client.Get(t.Context(), "a").Val(); got != "kept" {
		t.Errorf("a = %q", got)
	}
}

// Property: a paused server is there and silent, and answers once it is resumed.
func TestRedisPaused(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{Port: true})
	client := redis.NewClient(&redis.Options{Addr: s.Addr(), ReadTimeout: 50 * time.Millisecond, MaxRetries: -1})
	defer client.Close()
	must(t, client.Ping(t.Context()).Err())
	s.Pause()
	var timeout interface{ Timeout() bool }
	if err := client.Ping(t.Context()).Err(); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("a paused server: %v", err)
	}
	s.Resume()
	must(t, s.Client().Ping(t.Context()).Err())
}

// Property: commands are counted by name, as often as they were sent, and memory
// that is taken is told.
func TestRedisInfo(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	before := s.UsedMemory()
	for range 7 {
		must(t, s.Client().HSet(t.Context(), "h", "f", make([]byte, 1<<20)).Err())
	}
	if got := s.CommandStats()["hset"]; got != 7 {
		t.Errorf("%d calls of HSET, want 7", got)
	}
	if grown := s.UsedMemory() - before; grown < 1<<20 {
		t.Errorf("a mebibyte takes %d bytes", grown)
	}
}

// Property: with Mutual, only who shows a certificate by the server's authority
// gets in, and the password is asked for all the same.
func TestRedisTLS(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{Mutual: true, Password: "p"})
	for _, c := range []struct {
		name     string
		cert, pw bool
	}{{"both", true, true}, {"no certificate", false, true}, {"no password", true, false}} {
		opts := &redis.Options{Addr: s.Addr(), TLSConfig: s.clientTLS(), MaxRetries: -1, DialerRetries: 1}
		if !c.cert {
			opts.TLSConfig.Certificates = nil
		}
		if c.pw {
			opts.Password = "p"
		}
		client := redis.NewClient(opts)
		if err := client.Ping(t.Context()).Err(); (err == nil) != (c.cert && c.pw) {
			t.Errorf("%s: %v", c.name, err)
		}
		_ = client.Close()
	}
}

// Property: the nodes of a cluster share the slots, so that keys lie on all of
// them; a node that was killed comes back into it.
func TestRedisCluster(t *testing.T) {
	t.Parallel()
	c := StartCluster(t, 3, Options{})
	client, ctx := c.Client(), t.Context()
	for i := range 100 {
		must(t, client.Set(ctx, fmt.Sprint("key", i), i, 0).Err())
	}
	for _, node := range c.Nodes {
		if n := node.Client().DBSize(ctx).Val(); n == 0 || n == 100 {
			t.Errorf("%s has %d of 100 keys", node.URL(), n)
		}
	}
	c.Nodes[1].Kill()
	c.Nodes[1].Restart()
	c.Await()
	for i := range 100 {
		if err := client.Get(ctx, fmt.Sprint("key", i)).Err(); err != nil && !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
	}
}

// Property: nothing of a server outlives its test, neither process nor file.
func TestRedisEnds(t *testing.T) {
	var s *Server
	t.Run("with a server", func(t *testing.T) { s = Start(t, Options{Port: true}) })
	if !s.proc.dead() {
		t.Error("the server runs")
	}
	if _, err := os.Stat(s.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its directory: %v", err)
	}
}

// Property: a server ends with a test that panics where no cleanup can run.
func TestRedisEndsWithoutCleanup(t *testing.T) {
	const child = "REDISTEST_PANICS"
	if os.Getenv(child) != "" {
		s := Start(t, Options{})
		fmt.Println(s.dir)
		go panic("no cleanup runs")
		select {}
	}
	if runtime.GOOS != "linux" {
		t.Skip("the kernel does it, on Linux")
	}
	cmd := need.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.Output()
	dir, _, _ := strings.Cut(string(out), "\n")
	if err == nil || !filepath.IsAbs(dir) {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		conn, err := net.Dial("unix", filepath.Join(dir, "s"))
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("the server outlives its test")
		}
	}
}

// Property: one that ends at once is told from one that is slow.
func TestRedisEndedAtItsStart(t *testing.T) {
	t.Parallel()
	s := &Server{t: t, exe: program(t), opts: Options{Conf: []string{"no such line"}}}
	s.makeDir()
	must(t, os.WriteFile(s.path("redis.conf"), []byte(s.conf()), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.run(); !errors.Is(err, errEnded) || ctx.Err() != nil {
		t.Error(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
