//go:build redis && linux

package redisstore_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/internal/redistest"
	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/redisstore"
	"github.com/promfold/promfold/worker"
)

var modes = map[string]worker.Mode{
	"all": worker.All, "liveall": worker.LiveAll, "latest": worker.Latest, "livelatest": worker.LiveLatest, "max": worker.Max,
	"livemax": worker.LiveMax, "min": worker.Min, "livemin": worker.LiveMin, "sum": worker.Sum, "livesum": worker.LiveSum,
}

// vary has the host's process count something of every type, in label sets of which some are
// its own.
func (s *site) vary(seed uint64) {
	s.t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	value := func() float64 { return float64(random.IntN(1<<20)) / 8 }
	f := worker.With(s.store)
	labels := []string{"l", "host"}
	sets := [][]string{{"a", ""}, {"b", "own"}, {fmt.Sprint("c", seed), ""}}
	for name, mode := range modes {
		g := f.WithMode(mode).NewGaugeVec(prometheus.GaugeOpts{Name: "g_" + name, Help: "Gauge."}, labels)
		for _, set := range sets {
			g.WithLabelValues(set...).Set(value())
		}
	}
	c := f.NewCounterVec(prometheus.CounterOpts{Name: "c_total", Help: "Counter."}, labels)
	h := f.NewHistogramVec(prometheus.HistogramOpts{Name: "h", Help: "Histogram.", Buckets: []float64{1, 1000, float64(2000 + seed)}}, labels)
	q := f.NewSummaryVec(prometheus.SummaryOpts{Name: "s", Help: "Summary."}, labels)
	for _, set := range sets {
		c.WithLabelValues(set...).Add(value())
		for range 5 {
			h.WithLabelValues(set...).Observe(value())
			q.WithLabelValues(set...).Observe(value())
		}
	}
	f.NewInfo(prometheus.Opts{Name: "build", ConstLabels: prometheus.Labels{"version": fmt.Sprint(seed % 2)}})
	s.flush()
}

// same says that two expositions are the same but for created times.
func same(t *testing.T, what string, got, want rig.Samples) {
	t.Helper()
	for name := range maps.Keys(want) {
		if g, ok := got[name]; !ok || g.Value != want[name].Value {
			t.Errorf("%s: %s %v (%v), want %v", what, name, g.Value, ok, want[name].Value)
		}
	}
	for name := range maps.Keys(got) {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %s %v is too many", what, name, got[name].Value)
		}
	}
}

// withHost is an exposition with the label host on the samples for which it is asked.
func withHost(all rig.Samples, name string, on func(rig.Sample) bool) rig.Samples {
	labelled := make(rig.Samples)
	for series, sample := range all {
		if on(sample) {
			labels := maps.Clone(sample.Labels)
			if own, ok := labels["host"]; ok {
				labels["exported_host"] = own
			}
			labels["host"] = name
			sample.Labels, series = labels, rig.Series(sample.Name, labels)
		}
		labelled[series] = sample
	}
	return labelled
}

// perProcess is where there is one gauge for each process.
func perProcess(s rig.Sample) bool { return s.Name == "g_all" || s.Name == "g_liveall" }

func everything(rig.Sample) bool { return true }

// Property: a reader shows what a merge of all directories in one process shows, of every type and
// mode, of the living and of dead processes; gauges of a process have the label host as well,
// and by host all have it, that of a series itself becomes exported_host.
func TestRedisReadEqualsMerge(t *testing.T) {
	t.Parallel()
	_, client, _ := fleet(t)
	r, byHost := newReader(t, redisstore.ReaderOptions{Client: client}), newReader(t, redisstore.ReaderOptions{Client: client, ByHost: true})
	var sites []*site
	for i := range 3 {
		h := newSite(t, redisstore.PublisherOptions{Client: client, Host: fmt.Sprint("h", i)})
		h.vary(uint64(i))
		if i > 0 {
			h.work() // and the process before is dead
			h.vary(uint64(i + 10))
		}
		sites = append(sites, h)
	}
	apart, wantAll := make(rig.Samples), merged(t, local(t, sites...))
	want := maps.Clone(wantAll)
	maps.DeleteFunc(want, func(_ string, s rig.Sample) bool { return perProcess(s) })
	for i, h := range sites {
		own := merged(t, local(t, h))
		maps.Copy(apart, withHost(own, fmt.Sprint("h", i), everything))
		maps.DeleteFunc(own, func(_ string, s rig.Sample) bool { return !perProcess(s) })
		maps.Copy(want, withHost(own, fmt.Sprint("h", i), everything))
	}
	if len(want) < 100 {
		t.Fatalf("%d samples", len(want))
	}
	same(t, "merged", shown(t, r), want)
	same(t, "by host", shown(t, byHost), apart)
}

// Property: when nothing was heard of a host for three intervals its gauges leave the live modes and
// nothing else changes; and the same when it said goodbye, and when it was folded.
func TestRedisReadExpires(t *testing.T) {
	t.Parallel()
	_, client, keys := fleet(t)
	r := newReader(t, redisstore.ReaderOptions{Client: client, HostTTL: 100 * never})
	h := newSite(t, redisstore.PublisherOptions{Client: client})
	h.vary(1)
	all := shown(t, r)
	want := maps.Clone(all)
	maps.DeleteFunc(want, func(_ string, s rig.Sample) bool { return strings.HasPrefix(s.Name, "g_live") })
	if len(want) == len(all) || metric(t, r, `promfold_redis_hosts{namespace="default",state="live"}`) != 1 {
		t.Fatalf("%d samples of %d", len(want), len(all))
	}
	keys.silence(keys.only(), 3*never)
	same(t, "within three intervals and a second", shown(t, r), all)
	keys.silence(keys.only(), time.Second)
	same(t, "beyond", shown(t, r), want)
	if n := metric(t, r, `promfold_redis_hosts{namespace="default",state="expired"}`); n != 1 {
		t.Errorf("%v expired", n)
	}
	h.flush()
	same(t, "heard of again", shown(t, r), all)
	h.end()
	same(t, "after goodbye", shown(t, r), want)
	fold(t, r)
	same(t, "folded", shown(t, r), want)
}

// Property: only what changed is fetched: of a fleet at rest the index alone, of one host that has
// counted its values, of one with another schema that as well.
func TestRedisReadFetchesChanges(t *testing.T) {
	t.Parallel()
	s, client, _ := fleet(t)
	var sites []*site
	for range 8 {
		h := newSite(t, redisstore.PublisherOptions{Client: s.Client()})
		h.vary(3)
		sites = append(sites, h)
	}
	var a asked
	client.AddHook(&a)
	r := newReader(t, redisstore.ReaderOptions{Client: client})
	round := func() (commands string, out int64) {
		t.Helper()
		before := sent(t, s)
		a.take()
		shown(t, r)
		commands, _ = a.take()
		return commands, sent(t, s) - before
	}
	_, all := round()
	rest, idle := round()
	if rest != "evalsha" {
		t.Errorf("at rest: %s", rest)
	}
	sites[0].add(1)
	values, some := round()
	if !strings.HasPrefix(values, "evalsha ") || strings.Count(values, " ") != 1 || some <= idle || some-idle > (all-idle)/8*2/3 {
		t.Errorf("values: %s, %d bytes, at rest %d, of eight hosts with schemas %d", values, some, idle, all)
	}
	sites[0].work()
	sites[0].add(1)
	sites[0].vary(4)
	_, whole := round()
	if whole <= some || some-idle > whole-idle {
		t.Errorf("at rest %d bytes, with values %d, with a schema %d", idle, some, whole)
	}
	for range 3 {
		if again, n := round(); again != "evalsha" || n > idle+200 {
			t.Errorf("at rest again: %s, %d bytes, was %d", again, n, idle)
		}
	}
}

// sent is how many bytes the server has sent in all. To ask costs the same each time.
func sent(t *testing.T, s *redistest.Server) int64 {
	t.Helper()
	info := s.Client().Info(t.Context(), "stats").Val()
	for line := range strings.Lines(info) {
		var n int64
		if _, err := fmt.Sscanf(line, "total_net_output_bytes:%d", &n); err == nil {
			return n
		}
	}
	t.Fatal("no total_net_output_bytes")
	return 0
}

// Property: a publication that cannot be read costs nothing but what is new in it: its host takes part
// with the last that could be read, others go on, one line says so, a counter counts, and the
// next good one is read.
func TestRedisReadDamaged(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(k raw, id string){
		"values": func(k raw, id string) { k.do("hset", k.key("host:"+id), "values", "nonsense") },
		"schema": func(k raw, id string) {
			k.do("hset", k.key("host:"+id), "schema", "nonsense", "digest", "x")
			k.set(id, strings.Replace(k.entries()[id], " live ", " live x", 1))
		},
		"number":      func(k raw, id string) { k.do("hset", k.key("host:"+id), "seq", "x") },
		"type":        func(k raw, id string) { k.do("del", k.key("host:"+id)); k.do("set", k.key("host:"+id), "x") },
		"entry":       func(k raw, id string) { k.set(id, "x") },
		"publication": func(k raw, id string) { k.do("del", k.key("host:"+id)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, client, keys := fleet(t)
			var log logged
			r := newReader(t, redisstore.ReaderOptions{Client: client, Logger: log.logger()})
			bad := newSite(t, redisstore.PublisherOptions{Client: client})
			bad.add(1)
			id := keys.only()
			good := newSite(t, redisstore.PublisherOptions{Client: client})
			good.add(2)
			jobs(t, 3, r)
			bad.add(4)
			damage(keys, id)
			for range 3 {
				good.add(8)
				jobs(t, good.counted()+1, r)
			}
			if n := metric(t, r, `promfold_redis_read_errors_total{namespace="default"}`); n < 3 || log.said("cannot be read") != 1 {
				t.Errorf("%v errors, log:\n%s", n, log.String())
			}
			keys.do("del", keys.key("host:"+id))
			bad.again()
			jobs(t, good.counted()+5, r, newReader(t, redisstore.ReaderOptions{Client: client}))
		})
	}
}

// Property: namespaces share nothing; read together they are merged, or told apart by a label.
func TestRedisReadNamespaces(t *testing.T) {
	t.Parallel()
	_, client, _ := fleet(t)
	names := []string{"default", "a", "a:host"}
	var plain, labelled []redisstore.Reading
	for i, name := range names {
		h := newSite(t, redisstore.PublisherOptions{Client: client, Namespace: name})
		h.add(float64(int(1) << i))
		o := redisstore.ReaderOptions{Client: client, Namespace: name}
		plain = append(plain, newReader(t, o))
		o.Labels = []mmapstore.Label{{Name: "ns", Value: name}}
		labelled = append(labelled, newReader(t, o))
		h.again()
		if i == 1 {
			h.end()
		}
		fold(t, plain[i].(*redisstore.Reader))
	}
	if got := shown(t, plain...); got["jobs_total"].Value != 7 {
		t.Errorf("together %v", got)
	}
	got := shown(t, labelled...).By("jobs_total", "ns")
	if want := map[string]float64{"default": 1, "a": 2, "a:host": 4}; !maps.Equal(got, want) {
		t.Errorf("by namespace %v, want %v", got, want)
	}
}

// Property: a host that gets another name has that in all readers, those too that knew the other.
func TestRedisReadRenamed(t *testing.T) {
	t.Parallel()
	_, client, _ := fleet(t)
	r := newReader(t, redisstore.ReaderOptions{Client: client, ByHost: true})
	h := newSite(t, redisstore.PublisherOptions{Client: client, Host: "old"})
	h.add(1)
	jobs(t, 1, r)
	h.o.Host = "new"
	h.again()
	for _, r := range []*redisstore.Reader{r, newReader(t, redisstore.ReaderOptions{Client: client, ByHost: true})} {
		if got := shown(t, r).By("jobs_total", "host"); !maps.Equal(got, map[string]float64{"new": 1}) {
			t.Errorf("by host %v", got)
		}
	}
}
