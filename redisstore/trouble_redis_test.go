//go:build redis && linux

package redisstore_test

import (
	"bytes"
	"cmp"
	"strings"
	"testing"
	"time"

	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/internal/redistest"
	"github.com/promfold/promfold/redisstore"
)

// trouble is what a server can come to, and how it ends.
type trouble struct {
	begin, end func(s *redistest.Server, k raw, id string)
	forgets    bool          // what was published is lost
	timeout    time.Duration // after which it is noticed; 0: at once
}

// config is trouble by a parameter of the server.
func config(name, bad, good string) trouble {
	set := func(value string) func(*redistest.Server, raw, string) {
		return func(_ *redistest.Server, k raw, _ string) { k.do("config", "set", name, value) }
	}
	return trouble{begin: set(bad), end: set(good)}
}

// wrongType is trouble by a key of another type.
func wrongType(key string) trouble {
	return trouble{forgets: true, begin: func(_ *redistest.Server, k raw, id string) {
		k.do("del", k.key("index"), k.key("host:"+id))
		k.do("set", k.key(strings.ReplaceAll(key, "ID", id)), "x")
	}, end: func(_ *redistest.Server, k raw, id string) {
		k.do("del", k.key(strings.ReplaceAll(key, "ID", id)))
	}}
}

var troubles = map[string]trouble{
	"away": {
		begin: func(s *redistest.Server, _ raw, _ string) { s.Kill() },
		end:   func(s *redistest.Server, _ raw, _ string) { s.Restart() }, forgets: true,
	},
	"silent": {
		begin: func(s *redistest.Server, _ raw, _ string) { s.Pause() },
		end:   func(s *redistest.Server, _ raw, _ string) { s.Resume() }, timeout: time.Second,
	},
	"full":                config("maxmemory", "1", "0"),
	"without its replica": config("min-replicas-to-write", "1", "0"),
	"a replica": {
		begin: func(_ *redistest.Server, k raw, _ string) { k.do("replicaof", "127.0.0.1", "1") },
		end:   func(_ *redistest.Server, k raw, _ string) { k.do("replicaof", "no", "one") },
	},
	"another password": {
		begin: func(_ *redistest.Server, k raw, _ string) {
			k.do("acl", "setuser", "app", "resetpass", ">other")
			k.do("client", "kill", "user", "app")
		},
		end: func(_ *redistest.Server, k raw, _ string) { k.do("acl", "setuser", "app", "resetpass", ">"+secret) },
	},
	"without the right to write": {
		begin: func(_ *redistest.Server, k raw, _ string) { k.do("acl", "setuser", "app", "-hset") },
		end:   func(_ *redistest.Server, k raw, _ string) { k.do("acl", "setuser", "app", "+hset") },
	},
	"index of a type": wrongType("index"),
	"host of a type":  wrongType("host:ID"),
	"gone of a type":  wrongType("gone:ID"),
}

// guarded is a server with a user of its own for promfold, whose password is the secret.
func guarded(t *testing.T, timeout time.Duration) (*redistest.Server, redisstore.Config) {
	t.Helper()
	s := redistest.Start(t, redistest.Options{Conf: []string{"user app on >" + secret + " ~promfold:* +@all"}})
	return s, redisstore.Config{
		URL: s.URL(), Username: "app", PasswordFile: passwordFile(t, secret+"\n"), Timeout: cmp.Or(timeout, patience),
	}
}

// Property: whatever is wrong with Redis, the host's own scrape shows what was counted; one
// line says that the publisher cannot, one that it can again; it catches up by itself; and no
// line has the password.
func TestRedisTroublePublishing(t *testing.T) {
	t.Parallel()
	for name, tr := range troubles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := guarded(t, tr.timeout)
			keys := raw{t, s.Client(), redisstore.DefaultNamespace}
			var log logged
			h := newSite(t, redisstore.PublisherOptions{Client: connect(t, c), Interval: 10 * time.Millisecond, Logger: log.logger()})
			h.add(1)
			id := keys.only()
			tr.begin(s, keys, id)
			h.jobs.Add(2)
			eventually(t, "failures", func() bool { return metric(t, h.p, "promfold_redis_publish_failures_total") >= 2 })
			if n := metric(t, h.p, `promfold_redis_publishers{state="failing"}`); n != 1 {
				t.Errorf("%v publishers fail", n)
			}
			h.jobs.Add(4)
			if got := merged(t, local(t, h)).Sum("jobs_total"); got != 7 {
				t.Errorf("the host itself shows %v", got)
			}
			tr.end(s, keys, id)
			h.jobs.Add(8)
			r := newReader(t, redisstore.ReaderOptions{Client: s.Client()})
			eventually(t, "caught up", func() bool { return shown(t, r).Sum("jobs_total") == 15 })
			eventually(t, "all is well", func() bool { return metric(t, h.p, `promfold_redis_publishers{state="ok"}`) == 1 })
			if now := keys.only(); now != id {
				t.Errorf("host %s was %s", now, id)
			}
			if log.said("Cannot publish") != 1 || log.said("Can publish to Redis again") != 1 || log.said("") != 2 || log.said(secret) != 0 {
				t.Errorf("log:\n%s", log.String())
			}
		})
	}
}

// Property: a scrape waits for nothing that a publisher does, also where that waits for Redis
// for ever.
func TestRedisTroubleScrape(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	client := connect(t, redisstore.Config{URL: s.URL(), Timeout: time.Hour})
	h := newSite(t, redisstore.PublisherOptions{Client: client})
	e := exporter.New(exporter.Options{
		Members: []exporter.Member{{Directory: h.files}}, Logger: quiet, Collectors: h.p.Collectors(),
	})
	s.Pause()
	done := make(chan error, 1)
	go func() { done <- h.p.Flush(t.Context()) }()
	for n := range 100 {
		h.jobs.Inc()
		families, err := e.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "jobs_total" && f.GetMetric()[0].GetCounter().GetValue() != float64(n+1) {
				t.Errorf("scrape %v after %d jobs", f, n+1)
			}
		}
	}
	select {
	case err := <-done:
		t.Errorf("the server is stopped, and the flush has ended: %v", err)
	default:
	}
	s.Resume()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Property: nothing queues up: after any number of publications that failed, one reaches the server,
// and perhaps one before it that relies on what the server has lost.
func TestRedisTroubleQueuesNothing(t *testing.T) {
	t.Parallel()
	s, client, _ := fleet(t)
	h := newSite(t, redisstore.PublisherOptions{Client: client})
	s.Kill()
	for range 100 {
		h.jobs.Inc()
		if err := h.p.Flush(t.Context()); err == nil {
			t.Fatal("published to a server that is dead")
		}
	}
	s.Restart()
	eventually(t, "a flush", func() bool { return h.p.Flush(t.Context()) == nil }) // the client dials once a second
	if stats := s.CommandStats(); stats["hset"] != 2 || stats["evalsha"] > 2 {
		t.Errorf("the server has seen %v", stats)
	}
	jobs(t, 100, newReader(t, redisstore.ReaderOptions{Client: client}))
}

// Property: a server that has forgotten the scripts, or everything, is no trouble at all.
func TestRedisTroubleForgotten(t *testing.T) {
	t.Parallel()
	s, client, keys := fleet(t)
	var log logged
	h := newSite(t, redisstore.PublisherOptions{Client: client, Logger: log.logger()})
	r := newReader(t, redisstore.ReaderOptions{Client: client, Logger: log.logger()})
	want := 0.0
	for _, forget := range []func(){
		func() { keys.do("script", "flush") },
		func() { keys.do("flushall") },
		func() { keys.do("del", keys.key("index")) },
		func() { keys.do("del", keys.key("host:"+keys.only())) },
		s.Restart, // empty
	} {
		for _, n := range []float64{1, 0} { // values change, or do not
			forget()
			h.add(n)
			want += n
			jobs(t, want, newReader(t, redisstore.ReaderOptions{Client: client}), r)
			fold(t, r)
		}
	}
	if log.said("Cannot") != 0 || metric(t, h.p, "promfold_redis_publish_failures_total") != 0 {
		t.Errorf("log:\n%s", log.String())
	}
}

// Property: Close gives up after its five seconds at a server that does not answer, and says why,
// without a secret; the next publisher of the directory loses nothing.
func TestRedisTroubleClose(t *testing.T) {
	t.Parallel()
	s, c := guarded(t, time.Second)
	h := newSite(t, redisstore.PublisherOptions{Client: connect(t, c)})
	h.add(1)
	s.Pause()
	h.jobs.Add(2)
	err := h.p.Close()
	s.Resume()
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("close: %v", err)
	}
	h.publisher()
	h.flush()
	jobs(t, 3, newReader(t, redisstore.ReaderOptions{Client: s.Client()}))
}

// Property: a reading that fails gives the last good one, whatever is wrong; its age is told; one
// line says that it fails and one that it works again; beyond the staleness that is allowed,
// and where there never was a good one, it fails and says why, without a secret.
func TestRedisTroubleReading(t *testing.T) {
	t.Parallel()
	for name, tr := range troubles {
		switch name {
		case "full", "without its replica", "a replica", "without the right to write", "host of a type", "gone of a type":
			continue // who only reads is not concerned
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := guarded(t, tr.timeout)
			keys := raw{t, s.Client(), redisstore.DefaultNamespace}
			h := newSite(t, redisstore.PublisherOptions{Client: s.Client()})
			h.add(5)
			id := keys.only()
			var log logged
			steady := func(stale time.Duration) *redisstore.Steady {
				r := newReader(t, redisstore.ReaderOptions{Client: connect(t, c), Logger: log.logger()})
				return redisstore.NewSteady(r, redisstore.SteadyOptions{
					Name: "n", Timeout: cmp.Or(tr.timeout, patience), MaxStaleness: stale, Logger: log.logger(),
				})
			}
			patient, hasty, late := steady(0), steady(time.Nanosecond), steady(0)
			for _, p := range []*redisstore.Steady{patient, hasty} {
				eventually(t, "a reading", func() bool { return sum(t, p) == 5 })
			}
			log = logged{}
			tr.begin(s, keys, id)
			for range 3 {
				if n := sum(t, patient); n != 5 {
					t.Errorf("%v jobs while it is wrong", n)
				}
				for _, p := range []*redisstore.Steady{hasty, late} {
					if _, err := p.Sources(t.Context()); err == nil || strings.Contains(err.Error(), secret) {
						t.Errorf("error %v", err)
					}
				}
			}
			if up, age := metric(t, patient, `promfold_redis_up{source="n"}`), metric(t, patient, `promfold_redis_state_age_seconds{source="n"}`); up != 0 || age <= 0 {
				t.Errorf("up %v, age %v", up, age)
			}
			tr.end(s, keys, id)
			if tr.forgets {
				h.flush()
			}
			for _, p := range []*redisstore.Steady{patient, hasty, late} {
				eventually(t, "a reading after it was well", func() bool { return sum(t, p) == 5 && metric(t, p, `promfold_redis_up{source="n"}`) == 1 })
			}
			if log.said("Cannot read") != 3 || log.said("read from Redis again") != 3 || bytes.Contains([]byte(log.String()), []byte(secret)) {
				t.Errorf("log:\n%s", log.String())
			}
		})
	}
}

// sum is what a provider shows of jobs, -1 if it fails.
func sum(t *testing.T, p *redisstore.Steady) float64 {
	t.Helper()
	sources, err := p.Sources(t.Context())
	if err != nil {
		return -1
	}
	return merged(t, sources).Sum("jobs_total")
}
