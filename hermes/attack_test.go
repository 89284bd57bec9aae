//go:build unix

package hermes

import (
	"encoding/json"
	"strings"
	"testing"
)

// Property: what killed Hermes is rejected and counted, and the next datagram counts.
func TestCrashPackets(t *testing.T) {
	s := serve(t, Options{})
	conn := s.sender()
	want := make(map[reason]int)
	results := lines(t, "crash_outcomes.jsonl")
	for i, p := range lines(t, "crash_packets.jsonl") {
		if _, err := conn.Write(p); err != nil {
			t.Fatal(err)
		}
		var o struct{ Log []string }
		if err := json.Unmarshal(results[i], &o); err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.Contains(o.Log[0], "inconsistent label cardinality"):
			want[badLabels]++
		case strings.Contains(o.Log[0], "invalid gauge operation"):
			want[badOperation]++
		default:
			t.Fatalf("line %d: %s", i+1, o.Log)
		}
		s.send(`{"metric_name":"fx_plain_total"}`)
		want[accepted]++
	}
	s.pump()
	s.checkTally(want)
	if got := s.samples()["fx_plain_total"]; got != "7" {
		t.Errorf("counted %s of 7 between them", got)
	}
}
