//go:build unix

package hermes

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// v0Gauge is the line of the fixture that this version of Hermes drops, and its
// first version took for a set, as we do.
const v0Gauge = 27

// Property: each datagram of the fixture changes what is exposed exactly as it did
// in Hermes, line by line, and each is counted once.
func TestOutcomes(t *testing.T) {
	s := serve(t, Options{})
	conn := s.sender()
	packets := lines(t, "packets.jsonl")
	before := s.samples()
	for i, o := range outcomes(t) {
		if _, err := conn.Write(packets[i]); err != nil {
			t.Fatal(err)
		}
		s.pump()
		after := s.samples()
		changed := 0
		for series, value := range after {
			if !strings.HasPrefix(series, ownPrefix) && before[series] != value {
				changed++
			}
		}
		if o.Line == v0Gauge {
			o.Changed, o.Sample = 1, []string{`fx_depth{host="v0",queue="v0"} 65.4`}
		}
		if changed != o.Changed {
			t.Errorf("line %d, %s: %d samples changed, in Hermes %d", o.Line, o.Desc, changed, o.Changed)
		}
		for _, sample := range o.Sample {
			at := strings.LastIndexByte(sample, ' ')
			if got := after[sample[:at]]; got != sample[at+1:] {
				t.Errorf("line %d, %s: %q, in Hermes %s", o.Line, o.Desc, got, sample)
			}
		}
		before = after
	}
}

// Property: the whole fixture exposes what Hermes did, but for the gauge of its first
// version; help and types too. Every datagram is counted, accepted or by reason.
func TestFixture(t *testing.T) {
	s := serve(t, Options{})
	conn := s.sender()
	packets := lines(t, "packets.jsonl")
	for _, p := range packets {
		if _, err := conn.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	s.pump()
	want, err := os.ReadFile("testdata/expected_metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	got, _, _ := strings.Cut(s.scrape(), "# HELP promfold")
	if got = strings.Replace(got, v0Sample, "", 1); got != string(want) {
		t.Errorf("exposed:\n%s\nHermes exposed:\n%s", got, want)
	}
	s.checkTally(expectedReasons(t))
}

// logged is what Hermes logs for each reason.
var logged = map[string]reason{
	"unable to parse udp packet": badJSON, "invalid JSON": badJSON,
	"metric not registered": unknownMetric, "invalid label configuration": badLabels,
	"cannot be set without value": badValue, "invalid gauge operation": badOperation,
}

// expectedReasons is how many datagrams of the fixture end in which way, by what
// Hermes logged.
func expectedReasons(t *testing.T) map[reason]int {
	t.Helper()
	want := make(map[reason]int)
	for _, o := range outcomes(t) {
		why := accepted
		for text, r := range logged {
			if len(o.Log) > 0 && strings.Contains(o.Log[0], text) {
				why = r
			}
		}
		switch {
		case o.Line == v0Gauge:
			why = accepted
		case strings.Contains(o.Desc, "cut to 2048 (dropped)"):
			why = oversize
		case (why == accepted) != (len(o.Log) == 0):
			t.Fatalf("line %d: unknown log line %q", o.Line, o.Log)
		}
		want[why]++
	}
	return want
}

// checkTally compares what the listener says of all datagrams so far with what ought
// to be.
func (s *server) checkTally(want map[reason]int) {
	s.t.Helper()
	samples := s.samples()
	for r := range reason(numberOfReasons) {
		series := "promfold_hermes_packets_accepted_total"
		if r != accepted {
			series = fmt.Sprintf("promfold_hermes_packets_rejected_total{reason=%q}", r)
		}
		if got := samples[series]; got != strconv.Itoa(want[r]) {
			s.t.Errorf("%s is %s, want %d", series, got, want[r])
		}
	}
}

const v0Sample = "fx_depth{host=\"v0\",queue=\"v0\"} 65.4\n"
