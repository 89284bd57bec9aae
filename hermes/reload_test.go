//go:build unix

package hermes

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
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

// Property: after a restart, with another file, counts and gauges go on from where
// they were; gauges that live with their process begin again.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, Options{Config: config(t, before), Dir: dir})
	s.send(first...)
	s.run()
	s.stop()
	d := directory.New(dir, directory.Options{})
	defer d.Close()
	last := exporter.New(exporter.Options{Members: []exporter.Member{{Directory: d}}})
	s = serve(t, Options{Config: config(t, after), Dir: dir, Last: last})
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
	dir := t.TempDir()
	s := serve(t, Options{Config: config(t, before), Dir: dir})
	s.send(first...)
	s.run()
	s.stop()
	d := directory.New(dir, directory.Options{})
	defer d.Close()
	s = serve(t, Options{Config: config(t, before), Dir: dir, Last: exporter.New(exporter.Options{Members: []exporter.Member{{Directory: d}}})})
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
	for i := range each { // UDP may drop, which the tally tells; a unix socket waits
		for _, sender := range s.senders() {
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
	if err := s.keepNow(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(s.table.store.Path()); err != nil {
		t.Error(err)
	}
	s.send(first[0], `{"metric_name":"depth","payload":{"labels":{"queue":"a"},"operation":"increment"}}`)
	s.pump()
	wants(t, "in another file", s.samples(), map[string]string{`jobs_total{queue="a"}`: "2", `depth{queue="a"}`: "41", "gone_total": "1"})
}
