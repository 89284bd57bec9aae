//go:build unix

package hermes

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/mmapstore"
)

func config(t *testing.T, text string) *Config {
	t.Helper()
	c, err := ParseConfig([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const before = `{
	"counters": [{"metric_name": "jobs_total", "labels": ["queue"]}, {"metric_name": "gone_total"}],
	"gauges": [{"metric_name": "depth", "labels": ["queue"]}, {"metric_name": "busy", "mode": "livesum"},
		{"metric_name": "total", "mode": "sum"}, {"metric_name": "other"}],
	"histograms": [{"metric_name": "took_seconds", "buckets": [1, 2]}]
}`

const after = `{
	"counters": [{"metric_name": "jobs_total", "metric_description": "told now", "labels": ["queue"]}, {"metric_name": "new_total"}],
	"gauges": [{"metric_name": "depth", "labels": ["queue"]}, {"metric_name": "busy", "mode": "livesum"},
		{"metric_name": "total", "mode": "sum"}, {"metric_name": "other", "labels": ["queue"]}],
	"histograms": [{"metric_name": "took_seconds", "buckets": [1, 2, 3]}]
}`

var first = []string{
	`{"metric_name":"jobs_total","payload":{"labels":{"queue":"a"}}}`,
	`{"metric_name":"gone_total"}`,
	`{"metric_name":"depth","payload":{"labels":{"queue":"a"},"operation":"set","value":40}}`,
	`{"metric_name":"depth","payload":{"labels":{"queue":"b"},"operation":"set","value":7}}`,
	`{"metric_name":"busy","payload":{"operation":"set","value":3}}`,
	`{"metric_name":"total","payload":{"operation":"increment"}}`,
	`{"metric_name":"other","payload":{"operation":"set","value":9}}`,
	`{"metric_name":"took_seconds","payload":{"observation":1.5}}`,
}

var second = []string{
	`{"metric_name":"jobs_total","payload":{"labels":{"queue":"a"}}}`,
	`{"metric_name":"new_total"}`,
	`{"metric_name":"depth","payload":{"labels":{"queue":"a"},"operation":"increment"}}`,
	`{"metric_name":"depth","payload":{"labels":{"queue":"c"},"operation":"decrement"}}`,
	`{"metric_name":"busy","payload":{"operation":"increment"}}`,
	`{"metric_name":"total","payload":{"operation":"increment"}}`,
	`{"metric_name":"took_seconds","payload":{"observation":2.5}}`,
}

// wants compares samples with what they ought to be; "" for none.
func wants(t *testing.T, when string, samples, want map[string]string) {
	t.Helper()
	for series, value := range want {
		if samples[series] != value {
			t.Errorf("%s: %s is %q, want %q", when, series, samples[series], value)
		}
	}
}

// Property: a reload loses no count, not even of a metric that is no longer there,
// and gauges go on from where they were.
func TestReload(t *testing.T) {
	s := serve(t, Options{Config: config(t, before)})
	s.send(first...)
	s.pump()
	if err := s.Reload(config(t, after)); err != nil {
		t.Fatal(err)
	}
	wants(t, "after the reload", s.samples(), map[string]string{
		`jobs_total{queue="a"}`: "1", "gone_total": "1", `depth{queue="a"}`: "40", `depth{queue="b"}`: "7",
		"busy": "3", "total": "1", "other": "9", "took_seconds_sum": "1.5", "promfold_hermes_packets_accepted_total": "8",
	})
	s.send(second...)
	s.send(`{"metric_name":"gone_total"}`)
	s.pump()
	wants(t, "after more", s.samples(), map[string]string{
		`jobs_total{queue="a"}`: "2", "gone_total": "1", "new_total": "1",
		`depth{queue="a"}`: "41", `depth{queue="b"}`: "7", `depth{queue="c"}`: "-1", "busy": "4", "total": "2", "other": "9",
		`took_seconds_bucket{le="3"}`: "2", `took_seconds_bucket{le="2"}`: "1", "took_seconds_sum": "4", "took_seconds_count": "2",
	})
	s.checkTally(map[reason]int{accepted: 15, unknownMetric: 1})
}

// Property: a reload of what is there already changes nothing, not even the file.
func TestReloadSame(t *testing.T) {
	s := serve(t, Options{Config: config(t, before)})
	file := s.table.store.Path()
	if err := s.Reload(config(t, before)); err != nil {
		t.Fatal(err)
	}
	if now := s.table.store.Path(); now != file {
		t.Errorf("counts in %s, after %s", now, file)
	}
}

// restarted is a listener of a configuration in the place of one that has ended, and had
// counted the first datagrams.
func restarted(t *testing.T, text string) *server {
	t.Helper()
	dir := t.TempDir()
	s := serve(t, Options{Config: config(t, before), Dir: dir})
	s.send(first...)
	s.run()
	s.stop()
	return serve(t, Options{Config: config(t, text), Dir: dir, Last: exporterOf(t, dir)})
}

// Property: after a restart, with another file, counts and gauges go on from where
// they were; gauges that live with their process begin again.
func TestRestart(t *testing.T) {
	s := restarted(t, after)
	s.send(second...)
	s.pump()
	wants(t, "after the restart", s.samples(), map[string]string{
		`jobs_total{queue="a"}`: "2", "gone_total": "1", `depth{queue="a"}`: "41", `depth{queue="b"}`: "7", `depth{queue="c"}`: "-1",
		"busy": "1", "total": "2", "took_seconds_sum": "4", "promfold_hermes_packets_accepted_total": "15",
	})
	s.send(`{"metric_name":"depth","payload":{"labels":{"queue":"b"},"operation":"set","value":1}}`,
		`{"metric_name":"depth","payload":{"labels":{"queue":"b"},"operation":"increment"}}`)
	s.pump()
	wants(t, "after a set", s.samples(), map[string]string{`depth{queue="b"}`: "2"})
}

// Property: a gauge that nobody has changed since a restart goes on from its last value
// after a reload, too.
func TestReloadAfterRestart(t *testing.T) {
	s := restarted(t, before)
	if err := s.Reload(config(t, after)); err != nil {
		t.Fatal(err)
	}
	s.send(`{"metric_name":"depth","payload":{"labels":{"queue":"b"},"operation":"increment"}}`)
	s.pump()
	wants(t, "after both", s.samples(), map[string]string{`depth{queue="a"}`: "40", `depth{queue="b"}`: "8"})
}

// Property: reloads while datagrams come lose none of them.
func TestReloadUnderLoad(t *testing.T) {
	s := serve(t, Options{Config: config(t, before), Addresses: []string{"127.0.0.1:0", "unixgram://" + t.TempDir() + "/s"}})
	s.run()
	ctx, cancel := context.WithCancel(t.Context())
	reloaded := make(chan error)
	go func() {
		for i := 0; ; i++ {
			if err := s.Reload(config(t, []string{after, before}[i%2])); err != nil || ctx.Err() != nil {
				reloaded <- err
				return
			}
		}
	}()
	const each = 2000
	senders := s.senders()
	for i := range each { // UDP may drop, which the tally tells; a unix socket waits
		for _, sender := range senders {
			if _, err := fmt.Fprintf(sender, `{"metric_name":"jobs_total","payload":{"labels":{"queue":"%d"}}}`, i%10); err != nil {
				t.Fatal(err)
			}
		}
	}
	cancel()
	if err := <-reloaded; err != nil {
		t.Fatal(err)
	}
	s.stop()
	samples := s.samples()
	counted := 0.0
	for i := range 10 {
		counted += number64(t, samples[fmt.Sprintf(`jobs_total{queue="%d"}`, i)])
	}
	dropped := number64(t, samples["promfold_hermes_packets_dropped_total"])
	if acceptedTotal := number64(t, samples["promfold_hermes_packets_accepted_total"]); counted+dropped != 2*each || acceptedTotal != counted {
		t.Errorf("counted %v, accepted %v and dropped %v of %d", counted, acceptedTotal, dropped, 2*each)
	}
}

// Property: a file that somebody removes is followed by another, and what was counted in
// it stays in scrapes. One that is there is kept.
func TestRemovedFile(t *testing.T) {
	s := serve(t, Options{Config: config(t, before)})
	s.send(first...)
	s.pump()
	s.scrape()
	file := s.table.store.Path()
	for range 2 {
		if err := s.keepNow(); err != nil {
			t.Fatal(err)
		}
	}
	if now := s.table.store.Path(); now != file {
		t.Fatalf("counts in %s, after %s", now, file)
	}
	if err := os.RemoveAll(s.options.Dir); err != nil {
		t.Fatal(err)
	}
	if err := s.keepNow(); err == nil || s.table.store.Path() != file {
		t.Fatalf("counts in %s without its directory, %v", s.table.store.Path(), err)
	}
	s.send(first[0]) // counts in the old one
	s.pump()
	if err := os.Mkdir(s.options.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.keepNow(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(s.table.store.Path()); err != nil {
		t.Error(err)
	}
	s.send(first[0], `{"metric_name":"depth","payload":{"labels":{"queue":"a"},"operation":"increment"}}`)
	s.pump()
	wants(t, "in another file", s.samples(), map[string]string{`jobs_total{queue="a"}`: "3", `depth{queue="a"}`: "41", "gone_total": "1"})
}

// Property: a reload that is about something else changes no gauge, in whatever mode:
// not what it shows, and not what a set or an increment then makes of it.
func TestReloadKeepsModes(t *testing.T) {
	modes := []string{"all", "liveall", "latest", "livelatest", "max", "livemax", "min", "livemin", "sum", "livesum"}
	text := func(labels, extra string) *Config {
		var gauges []string
		for _, m := range modes {
			gauges = append(gauges, fmt.Sprintf(`{"metric_name": "g_%s", "mode": %q, "labels": %s}`, m, m, labels))
		}
		return config(t, `{"gauges": [`+strings.Join(gauges, ",")+`], "counters": [`+extra+`]}`)
	}
	s := serve(t, Options{Config: text(`["a", "b"]`, "")})
	do := func(what string) {
		for _, m := range modes {
			s.send(fmt.Sprintf(`{"metric_name":"g_%s","payload":{"labels":{"a":"1","b":"2"},%s}}`, m, what))
		}
		s.pump()
	}
	check := func(when, value string) {
		t.Helper()
		samples := s.samples()
		for _, m := range modes {
			series := fmt.Sprintf(`g_%s{a="1",b="2"}`, m)
			if strings.HasSuffix(m, "all") {
				series = fmt.Sprintf(`g_%s{a="1",b="2",pid="hermes"}`, m)
			}
			if samples[series] != value {
				t.Errorf("%s: %s is %q, want %s", when, series, samples[series], value)
			}
		}
	}
	do(`"operation":"set","value":10`)
	for n, c := range []*Config{
		text(`["a", "b"]`, `{"metric_name": "c_total"}`), text(`["b", "a"]`, ""), text(`["a", "b"]`, `{"metric_name": "d_total"}`),
	} {
		if err := s.Reload(c); err != nil {
			t.Fatal(err)
		}
		check("reloaded", strconv.Itoa(10-n))
		do(`"operation":"increment"`)
		check("incremented", strconv.Itoa(11-n))
		do(fmt.Sprintf(`"operation":"set","value":%d`, 9-n))
		check("set to less", strconv.Itoa(9-n))
	}
}

// Property: a gauge that leaves the configuration and comes back goes on from what is
// shown, as it would after a restart; one whose labels changed begins anew.
func TestReloadBringsBack(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, Options{Config: config(t, before), Dir: dir, Last: exporterOf(t, dir)})
	s.send(first...)
	s.pump()
	for _, text := range []string{`{"counters": [{"metric_name": "other_total"}]}`, after} {
		if err := s.Reload(config(t, text)); err != nil {
			t.Fatal(err)
		}
	}
	s.send(second[2], `{"metric_name":"other","payload":{"labels":{"queue":"a"},"operation":"increment"}}`)
	s.pump()
	wants(t, "back again", s.samples(), map[string]string{`depth{queue="a"}`: "41", `depth{queue="b"}`: "7", `other{queue="a"}`: "1", "other": "9"})
}

// Property: the label sets of a metric are counted across reloads and restarts: those
// that were there go on, and there are never more than the limit.
func TestMaxSeriesStays(t *testing.T) {
	dir := t.TempDir()
	next := 0
	fill := func(s *server) { // the old ones, and new ones
		t.Helper()
		for _, metric := range []string{`"metric_name":"fx_jobs_total"`, `"metric_name":"fx_latency_seconds"`} {
			for i := range next + 3 {
				s.send(fmt.Sprintf(`{%s,"payload":{"labels":{"queue":"q%d"}}}`, metric, i))
			}
		}
		next += 3
		s.pump()
		counted := 0
		for series := range s.samples() {
			if strings.HasPrefix(series, "fx_jobs_total") || strings.HasPrefix(series, "fx_latency_seconds_count") {
				counted++
			}
		}
		if counted != 2*min(next, 4) {
			t.Errorf("%d series of two metrics after %d label sets with a limit of 4", counted, next)
		}
	}
	last := exporterOf(t, dir)
	for range 3 {
		c := fixtureConfig(t)
		s := serve(t, Options{Config: c, Dir: dir, MaxSeries: 4, Last: last})
		fill(s)
		changed := *c
		changed.Metrics = append(slices.Clone(c.Metrics), Metric{Type: mmapstore.Counter, Name: fmt.Sprintf("more_%d_total", next)})
		if err := s.Reload(&changed); err != nil {
			t.Fatal(err)
		}
		fill(s)
		if got := s.samples()[`fx_jobs_total{queue="q0"}`]; got != strconv.Itoa(next/3) {
			t.Errorf("q0 has counted %s of %d", got, next/3)
		}
		s.run()
		s.stop()
	}
}

// Property: a file takes no more series, and no more words, than it can hold, and what
// comes beyond that is rejected rather than counted where nobody sees it.
func TestFileIsFull(t *testing.T) {
	for name, limit := range map[string]func(*table){
		"series": func(t *table) { t.maxSeries = t.series + 2 },
		"words":  func(t *table) { t.maxWords = t.words + 2*t.metrics["fx_latency_seconds"].words },
	} {
		s := serve(t, Options{})
		limit(s.table)
		for i := range 4 {
			s.send(fmt.Sprintf(`{"metric_name":"fx_latency_seconds","payload":{"labels":{"queue":"q%d"}}}`, i))
		}
		s.pump()
		t.Log(name)
		s.checkTally(map[reason]int{accepted: 2, seriesLimit: 2})
	}
}

func exporterOf(t *testing.T, dir string) *exporter.Exporter {
	d := directory.New(dir, directory.Options{})
	t.Cleanup(func() { d.Close() })
	return exporter.New(exporter.Options{Members: []exporter.Member{{Directory: d}}})
}
