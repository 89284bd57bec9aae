//go:build redis && linux

package redisstore_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/redisstore"
)

// Property: a host stays itself when somebody removes its identity, alone, with all that promfold
// keeps, or with the directory, and whoever publishes it then; nothing counts twice.
func TestRedisPublishWiped(t *testing.T) {
	t.Parallel()
	for name, what := range map[string]string{"identity": ".promfold/host.pfh", "all of promfold": ".promfold"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, client, keys := fleet(t)
			first := newSite(t, redisstore.PublisherOptions{Client: client})
			second := siteAt(t, first.dir, redisstore.PublisherOptions{Client: client})
			second.publisher()
			first.add(1)
			id := keys.only()
			r := newReader(t, redisstore.ReaderOptions{Client: client})
			if err := os.RemoveAll(filepath.Join(first.dir, what)); err != nil {
				t.Fatal(err)
			}
			second.add(2)
			first.flush()
			second.flush()
			first.add(4)
			second.flush()
			jobs(t, 7, r)
			if now := keys.only(); now != id {
				t.Errorf("host %s was %s", now, id)
			}
			first.end()
			second.again()
			jobs(t, 7, r)
			if now := keys.only(); now != id {
				t.Errorf("after an end: host %s was %s", now, id)
			}
		})
	}
}

// Property: a damaged identity is set aside and told; the directory counts from then on, as
// another host, since what it counted before may be counted elsewhere.
func TestRedisPublishDamagedIdentity(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(path string) error{
		"cut short": func(path string) error { return os.Truncate(path, 20) },
		"empty":     func(path string) error { return os.Truncate(path, 0) },
		"other":     func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("x", 4096)), 0o600) },
		"no file": func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Mkdir(path, 0o700)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, client, keys := fleet(t)
			var log logged
			h := newSite(t, redisstore.PublisherOptions{Client: client, Logger: log.logger()})
			h.add(1)
			id := keys.only()
			h.end()
			if err := damage(filepath.Join(h.dir, ".promfold", "host.pfh")); err != nil {
				t.Fatal(err)
			}
			h.jobs.Add(2)
			h.publisher()
			h.add(4)
			jobs(t, 5, newReader(t, redisstore.ReaderOptions{Client: client}))
			if !slices.Contains(keys.ids(), id) || len(keys.ids()) != 2 || log.said("damaged") != 1 {
				t.Errorf("hosts %q, of which %s was; log:\n%s", keys.ids(), id, log.String())
			}
			h.again()
			jobs(t, 5, newReader(t, redisstore.ReaderOptions{Client: client}))
			if log.said("damaged") != 1 {
				t.Errorf("damage that is told again:\n%s", log.String())
			}
		})
	}
}

// Property: in a directory without room nothing is published, the error names the file, and
// the directory is served as ever; once there is room it is published.
func TestRedisPublishFull(t *testing.T) {
	t.Parallel()
	_, client, keys := fleet(t)
	dir := rig.Tmpfs(t, "size=1m")
	var log logged
	h := siteAt(t, dir, redisstore.PublisherOptions{Client: client, Logger: log.logger()})
	filler := filepath.Join(dir, "filler")
	fill(t, filler)
	h.publisher()
	h.jobs.Inc()
	for range 3 {
		err := h.p.Flush(t.Context())
		if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, ".promfold")) {
			t.Fatalf("error %v, which should name the file", err)
		}
	}
	if n := len(keys.ids()); n != 0 || log.said("Cannot publish") != 1 {
		t.Errorf("%d hosts, log:\n%s", n, log.String())
	}
	if got := merged(t, local(t, h)).Sum("jobs_total"); got != 1 {
		t.Errorf("the directory itself shows %v", got)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	h.flush()
	jobs(t, 1, newReader(t, redisstore.ReaderOptions{Client: client}))
	if log.said("again") != 1 {
		t.Errorf("log:\n%s", log.String())
	}
	fill(t, filler)
	h.add(1) // for which no room is needed
	jobs(t, 2, newReader(t, redisstore.ReaderOptions{Client: client}))
	h.end()
}

// fill leaves no room where the file is.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{4096, 1} {
		for b := make([]byte, size); err == nil; {
			_, err = f.Write(b)
		}
		err = nil
	}
}

// Property: that the directory is missing is no failure and no success; it is published when it
// is there.
func TestRedisPublishMissing(t *testing.T) {
	t.Parallel()
	_, client, keys := fleet(t)
	var log logged
	h := newUnpublished(t, redisstore.PublisherOptions{Client: client, Logger: log.logger()})
	there := h.dir
	h.dir = filepath.Join(t.TempDir(), "later")
	h.begin()
	h.flush()
	for series, want := range map[string]float64{
		"promfold_redis_publish_failures_total": 0, `promfold_redis_publishers{state="waiting"}`: 1,
		`promfold_redis_publications_total{kind="full"}`: 0,
	} {
		if got := metric(t, h.p, series); got != want {
			t.Errorf("%s %v, want %v", series, got, want)
		}
	}
	if err := os.Symlink(there, h.dir); err != nil {
		t.Fatal(err)
	}
	h.add(3)
	if len(keys.ids()) != 1 || log.String() != "" {
		t.Errorf("hosts %q, log:\n%s", keys.ids(), log.String())
	}
	jobs(t, 3, newReader(t, redisstore.ReaderOptions{Client: client}))
}

// Property: a directory in which nobody has counted yet is a host already, and heard of again and again.
func TestRedisPublishEmpty(t *testing.T) {
	t.Parallel()
	_, client, keys := fleet(t)
	var log logged
	h := newUnpublished(t, redisstore.PublisherOptions{Client: client, Logger: log.logger()})
	h.dir = t.TempDir()
	h.publisher()
	h.flush()
	r := newReader(t, redisstore.ReaderOptions{Client: client, Logger: log.logger()})
	if got := shown(t, r); len(keys.ids()) != 1 || len(got) != 0 || log.String() != "" {
		t.Errorf("hosts %q show %v; log:\n%s", keys.ids(), got, log.String())
	}
	h.end()
	fold(t, r)
	if ids := keys.ids(); len(ids) != 0 {
		t.Errorf("hosts %q after the fold", ids)
	}
}
