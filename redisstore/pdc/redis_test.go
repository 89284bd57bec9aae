//go:build redis

package pdc_test

import (
	"context"
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/internal/redistest"
	"github.com/promfold/promfold/redisstore/foreign"
	"github.com/promfold/promfold/redisstore/foreign/foreigntest"
	"github.com/promfold/promfold/redisstore/pdc"
)

// write puts hashes where the client leads.
func write(t testing.TB, client redis.UniversalClient, hashes ...foreign.Hash) {
	t.Helper()
	for _, h := range hashes {
		if err := client.HSet(t.Context(), h.Key, h.Fields).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func hash(key string, pairs ...string) foreign.Hash {
	h := foreign.Hash{Key: key, Fields: make(map[string]string)}
	for i := 0; i < len(pairs); i += 2 {
		h.Fields[pairs[i]] = pairs[i+1]
	}
	return h
}

func shown(t testing.TB, m *aggregate.Merger, r *pdc.Reader) string {
	t.Helper()
	sources, err := r.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return foreigntest.Text(t, m, sources...)
}

func reader(client redis.UniversalClient, prefix string) *pdc.Reader {
	return pdc.New(client, pdc.Options{Prefix: prefix, Logger: foreigntest.Quiet})
}

// Property: a database is shown as the library shows it, beside keys of others, of
// which those of other types are not even looked at; nothing is written, no command
// lists all keys at once, and the time that a key has left is not touched.
func TestRedisReadsAlone(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	client := server.Client()
	write(t, client, foreigntest.Dump(t, "testdata/head/redis_dump.json")...)
	write(t, client, hash("other_hash", "x", "y"), hash("fxx_jobs", `_total:{}`, "1"))
	for key, set := range map[string]func(key string) error{
		"fx_string": func(key string) error { return client.Set(t.Context(), key, "1", 0).Err() },
		"fx_list":   func(key string) error { return client.RPush(t.Context(), key, "1").Err() },
		"fx_set":    func(key string) error { return client.SAdd(t.Context(), key, "1").Err() },
	} {
		if err := set(key); err != nil {
			t.Fatal(err)
		}
	}
	const left = time.Hour
	if err := client.PExpire(t.Context(), "fx_fx_jobs", left).Err(); err != nil {
		t.Fatal(err)
	}
	expires, err := client.PExpireTime(t.Context(), "fx_fx_jobs").Result()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.ConfigResetStat(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	r := reader(client, "fx")
	got := foreigntest.Samples(t, shown(t, aggregate.NewMerger(nil), r))
	commands := server.CommandStats()
	foreigntest.Equal(t, got, fixture.Samples(t, "testdata/head/expected.prom"))
	if counts := foreigntest.Counts(t, r.Collectors()); len(counts) > 0 {
		t.Errorf("counted %v", counts)
	}
	for command := range commands {
		switch command {
		case "scan", "hlen", "hgetall", "hscan":
		case "info", "config|resetstat", "hello", "client|setinfo", "client|maint_notifications": // of the test and of the connection
		default:
			t.Errorf("%s was sent", command)
		}
	}
	if commands["hgetall"] != 11 {
		t.Errorf("%d hashes were read, of 11", commands["hgetall"])
	}
	if now, err := client.PExpireTime(t.Context(), "fx_fx_jobs").Result(); err != nil || now != expires {
		t.Errorf("expires at %v, %v, not at %v", now, err, expires)
	}
}

// Property: without a prefix all that looks like the library's is read, as its first
// releases wrote it, and hashes of others cost nothing and are not counted.
func TestRedisWithoutPrefix(t *testing.T) {
	client := redistest.Start(t, redistest.Options{}).Client()
	write(t, client, foreigntest.Dump(t, "testdata/v1.2.2/redis_dump.json")...)
	write(t, client, hash("user:{1}", "name", "x"), hash("session", "id", "1"), hash("promfold:{default}:index", "a", "b"))
	large := hash("cache")
	for i := range 6000 {
		large.Fields[strconv.Itoa(i)] = "x"
	}
	write(t, client, large)
	r := reader(client, "")
	foreigntest.Equal(t, foreigntest.Samples(t, shown(t, aggregate.NewMerger(nil), r)), fixture.Samples(t, "testdata/v1.2.2/expected.prom"))
	if counts := foreigntest.Counts(t, r.Collectors()); len(counts) > 0 {
		t.Errorf("counted %v", counts)
	}
}

// Property: a prefix is taken as it is, whatever it means in a pattern.
func TestRedisPrefixIsNoPattern(t *testing.T) {
	client := redistest.Start(t, redistest.Options{}).Client()
	for _, prefix := range []string{"a*", "a?", "[ab]", `a\`, "ab"} {
		write(t, client, hash(prefix+"_x", `:{}`, "1"))
	}
	for _, prefix := range []string{"a*", "a?", "[ab]", `a\`} {
		r := reader(client, prefix)
		foreigntest.Equal(t, foreigntest.Samples(t, shown(t, aggregate.NewMerger(nil), r)), map[string]float64{"x": 1})
	}
}

// Property: a hash too large for one command is read in steps, whole.
func TestRedisLargeHash(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	client := server.Client()
	h := hash("p_jobs")
	want := make(map[string]float64)
	for i := range 12_000 {
		h.Fields[`_total:{"i":"`+strconv.Itoa(i)+`"}`] = strconv.Itoa(i)
		want[fixture.Series("jobs_total", map[string]string{"i": strconv.Itoa(i)})] = float64(i)
	}
	write(t, client, h)
	if err := client.ConfigResetStat(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	foreigntest.Equal(t, foreigntest.Samples(t, shown(t, aggregate.NewMerger(nil), reader(client, "p"))), want)
	if commands := server.CommandStats(); commands["hgetall"] != 0 || commands["hscan"] < 2 {
		t.Errorf("commands %v", commands)
	}
}

// Property: a series that expires leaves, and counts from the beginning when it is back;
// one that was reset does so at once.
func TestRedisExpiry(t *testing.T) {
	client := redistest.Start(t, redistest.Options{}).Client()
	r, m := reader(client, "p"), aggregate.NewMerger(nil)
	expect := func(want map[string]float64) {
		t.Helper()
		foreigntest.Equal(t, foreigntest.Samples(t, shown(t, m, r)), want)
	}
	write(t, client, hash("p_a", `_total:{}`, "9"), hash("p_b", `_total:{}`, "9"))
	expect(map[string]float64{"a_total": 9, "b_total": 9})
	write(t, client, hash("p_a", `_total:{}`, "1"))
	if err := client.PExpire(t.Context(), "p_b", -time.Second).Err(); err != nil {
		t.Fatal(err)
	}
	expect(map[string]float64{"a_total": 1})
	write(t, client, hash("p_b", `_total:{}`, "2"))
	expect(map[string]float64{"a_total": 1, "b_total": 2})
}

// Property: a server that is away, or refuses, is an error, and so is a context that
// ends; what was read before is not counted again.
func TestRedisAway(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	client := server.Client()
	write(t, client, hash("p_a", `_total:{}`, "-1"))
	r := reader(client, "p")
	if _, err := r.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Read(ended); err == nil {
		t.Error("read without a context")
	}
	server.Kill()
	if _, err := r.Read(t.Context()); err == nil {
		t.Error("read without a server")
	}
	if counts := foreigntest.Counts(t, r.Collectors()); counts["value"] != 1 {
		t.Errorf("counted %v", counts)
	}
}

// Property: a user with the rights to these commands and keys alone is enough.
func TestRedisLeastRights(t *testing.T) {
	server := redistest.Start(t, redistest.Options{Conf: []string{"user reader on >secret ~fx_* +scan +hlen +hgetall +hscan"}})
	write(t, server.Client(), foreigntest.Dump(t, "testdata/head/redis_dump.json")...)
	write(t, server.Client(), hash("other", `{}`, "1"))
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: server.Addr(), Username: "reader", Password: "secret", MaxRetries: -1})
	defer func() { _ = client.Close() }()
	foreigntest.Equal(t, foreigntest.Samples(t, shown(t, aggregate.NewMerger(nil), reader(client, "fx"))), fixture.Samples(t, "testdata/head/expected.prom"))
	if _, err := reader(client, "").Read(t.Context()); err == nil {
		t.Error("keys of others were read")
	}
}

// Property: in a cluster the keys of all nodes are found.
func TestRedisCluster(t *testing.T) {
	cluster := redistest.StartCluster(t, 3, redistest.Options{})
	client := cluster.Client()
	all := foreigntest.Dump(t, "testdata/head/redis_dump.json")
	write(t, client, all...)
	nodes := 0
	for _, node := range cluster.Nodes {
		if n, err := node.Client().DBSize(t.Context()).Result(); err == nil && n > 0 {
			nodes++
		}
	}
	if nodes < 2 {
		t.Fatalf("the keys are on %d nodes", nodes)
	}
	want := fixture.Samples(t, "testdata/head/expected.prom")
	if got := foreigntest.Samples(t, shown(t, aggregate.NewMerger(nil), reader(client, "fx"))); len(got) == 0 {
		t.Error("nothing is shown")
	} else {
		foreigntest.Equal(t, got, maps.Clone(want))
	}
}

// BenchmarkRedisRead is a read of 200 metrics with 50 series each.
func BenchmarkRedisRead(b *testing.B) {
	client := redistest.Start(b, redistest.Options{}).Client()
	for i := range 200 {
		h := hash("p_jobs_" + strconv.Itoa(i))
		for j := range 50 {
			h.Fields[`_total:{"host":"host-`+strconv.Itoa(j)+`","queue":"mail"}`] = strconv.Itoa(j)
		}
		write(b, client, h)
	}
	r := reader(client, "p")
	for b.Loop() {
		if _, err := r.Read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
