//go:build redis

package instrumentor_test

import (
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/internal/redistest"
	"github.com/promfold/promfold/redisstore/foreign/foreigntest"
	"github.com/promfold/promfold/redisstore/instrumentor"
)

// Property: a namespace is read by commands that write nothing; one that is not there
// shows nothing, and a key of another type is counted.
func TestRedis(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	client := server.Client()
	h := foreigntest.Dump(t, "testdata/redis_dump.json")[0]
	if err := client.HSet(t.Context(), h.Key, h.Fields).Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.Set(t.Context(), "string", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.ConfigResetStat(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	for namespace, want := range map[string]int{"fx": len(fixture.Samples(t, "testdata/expected.prom")) + 6, "missing": 0, "string": 0} {
		r := instrumentor.New(client, instrumentor.Options{Namespace: namespace, Logger: foreigntest.Quiet})
		sources, err := r.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := foreigntest.Samples(t, foreigntest.Text(t, aggregate.NewMerger(nil), sources...)); len(got) != want {
			t.Errorf("%s: %d samples, not %d", namespace, len(got), want)
		}
		if bad := foreigntest.Counts(t, r.Collectors())["type"]; (bad == 1) != (namespace == "string") {
			t.Errorf("%s: %d of another type", namespace, bad)
		}
	}
	for command := range server.CommandStats() {
		switch command {
		case "hlen", "hgetall", "hscan", "info", "config|resetstat", "hello", "client|setinfo", "client|maint_notifications":
		default:
			t.Errorf("%s was sent", command)
		}
	}
	server.Kill()
	r := instrumentor.New(client, instrumentor.Options{Namespace: "fx", Logger: foreigntest.Quiet})
	if _, err := r.Read(t.Context()); err == nil {
		t.Error("read without a server")
	}
	if _, err := instrumentor.New(client, instrumentor.Options{}).Read(t.Context()); err == nil {
		t.Error("read without a namespace")
	}
}
