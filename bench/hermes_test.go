//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/promfold/promfold/hermes"
)

func fixtureLines(t *testing.T, name string) [][]byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../hermes/testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
}

func fixturePeer(t *testing.T) *hermesPeer {
	t.Helper()
	c, err := hermes.LoadConfig("../hermes/testdata/config.json")
	if err != nil {
		t.Fatal(err)
	}
	return newHermesPeer(c)
}

func textOf(t *testing.T, from prometheus.Gatherer) string {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// Property: the peer is a model of Hermes: fed with the fixture, it exposes what
// Hermes did, to the byte.
func TestHermesPeer(t *testing.T) {
	want, err := os.ReadFile("../hermes/testdata/expected_metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	p := fixturePeer(t)
	for _, line := range fixtureLines(t, "packets.jsonl") {
		p.count(line[:min(len(line), peerBuffer)])
	}
	got, _, _ := strings.Cut(textOf(t, p.registry), "# HELP promfold")
	if got != string(want) {
		t.Errorf("the peer exposes:\n%s\nHermes exposed:\n%s", got, want)
	}
}

// Property: the peer panics where Hermes did for a label that is missing.
func TestHermesPeerPanics(t *testing.T) {
	outcomes := fixtureLines(t, "crash_outcomes.jsonl")
	panicked := 0
	for i, line := range fixtureLines(t, "crash_packets.jsonl") {
		if !bytes.Contains(outcomes[i], []byte("inconsistent label cardinality")) {
			continue
		}
		panicked++
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not make the peer panic", line)
				}
			}()
			fixturePeer(t).count(line)
		}()
	}
	if panicked == 0 {
		t.Error("none of the fixture's datagrams made Hermes panic")
	}
}

// Property: every datagram of every shape counts, and they are of as many counters
// as the rows' notes say.
func TestHermesDatagrams(t *testing.T) {
	c, err := hermes.ParseConfig([]byte(hermesConfig))
	if err != nil {
		t.Fatal(err)
	}
	for shape, counters := range map[string]int{"mix": 200, "counters": 200, "histograms": 0} {
		p := newHermesPeer(c)
		for _, d := range hermesDatagrams(shape)[:hermesFirst] {
			if !p.count(d) {
				t.Fatalf("%s: %s does not count", shape, d)
			}
		}
		text := textOf(t, p.registry)
		if n := strings.Count(text, "jobs_total{") + strings.Count(text, "requests_total{"); n != counters {
			t.Errorf("%s: %d counters, want %d", shape, n, counters)
		}
	}
}
