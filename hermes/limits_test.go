//go:build unix

package hermes

import (
	"fmt"
	"strings"
	"testing"

	"github.com/promfold/promfold/mmapstore"
)

// Property: a metric takes up so many label sets and no more. Those that it has go on
// counting, and other metrics have limits of their own.
func TestMaxSeries(t *testing.T) {
	s := serve(t, Options{MaxSeries: 3})
	for range 2 {
		for i := range 5 {
			s.send(fmt.Sprintf(`{"metric_name":"fx_jobs_total","payload":{"labels":{"queue":"q%d"}}}`, i))
			s.send(fmt.Sprintf(`{"metric_name":"fx_size_bytes","payload":{"labels":{"queue":"q%d"},"observation":2}}`, i))
		}
	}
	s.send(`{"metric_name":"fx_plain_total"}`)
	s.pump()
	s.checkTally(map[reason]int{accepted: 13, seriesLimit: 8})
	samples := s.samples()
	for i := range 5 {
		want := map[bool]string{true: "2"}[i < 3]
		if got := samples[fmt.Sprintf(`fx_jobs_total{queue="q%d"}`, i)]; got != want {
			t.Errorf("q%d: counted %q, want %q", i, got, want)
		}
	}
}

// Property: what is too large is rejected: a datagram beside white space around it,
// and a label set that no file can hold. What is just as large as may be is counted,
// and so is a datagram after a large one.
func TestSizes(t *testing.T) {
	packet := func(size int) string {
		frame := `{"metric_name":"fx_plain_total","x":""}`
		return frame[:len(frame)-2] + strings.Repeat("x", size-len(frame)) + `"}`
	}
	labelled := func(char string, n int) string {
		return `{"metric_name":"fx_jobs_total","payload":{"labels":{"queue":"` + strings.Repeat(char, n) + `"}}}`
	}
	const space = " \t\r\n"
	longest := mmapstore.MaxLabelBytes - len("queue") - 4
	for name, c := range map[string]struct {
		limit    int
		datagram string
		want     reason
	}{
		"as large as may be":             {0, packet(DefaultMaxPacketSize), accepted},
		"one byte more":                  {0, packet(DefaultMaxPacketSize + 1), oversize},
		"white space after it":           {0, packet(DefaultMaxPacketSize) + strings.Repeat(space, 64), accepted},
		"more white space than is read":  {0, packet(DefaultMaxPacketSize) + strings.Repeat(space, 300), oversize},
		"all that UDP carries":           {0, packet(65_507), oversize},
		"all that UDP carries, allowed":  {MaxPacketSize, packet(65_507), accepted},
		"the longest label":              {MaxPacketSize, labelled("x", longest), accepted},
		"a longer label":                 {MaxPacketSize, labelled("x", longest+1), badLabels},
		"a label that grows when read":   {MaxPacketSize, labelled("\xff", longest/2), badLabels},
		"nothing":                        {0, "", badJSON},
		"as large as a small limit says": {40, packet(40), accepted},
		"more than a small limit says":   {40, packet(41), oversize},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, Options{MaxPacketSize: c.limit})
			s.send(c.datagram, `{"metric_name":"fx_plain_total"}`)
			s.pump()
			want := map[reason]int{accepted: 1}
			want[c.want]++
			s.checkTally(want)
		})
	}
}

// Property: a counter adds what its payload says only where that is switched on, and
// never what would make it fall or no number.
func TestCounterAmounts(t *testing.T) {
	for _, c := range []struct {
		payload string
		want    string // with amounts
		reason  reason
	}{
		{`{}`, "1", accepted},
		{`{"amount":5}`, "5", accepted},
		{`{"value":2.5}`, "2.5", accepted},
		{`{"value":2,"amount":3}`, "3", accepted},
		{`{"amount":null,"value":null}`, "1", accepted},
		{`{"amount":0}`, "0", accepted},
		{`{"amount":-1}`, "", badValue},
		{`{"amount":1e308}`, "", badValue},
		{`{"amount":"5"}`, "", badJSON},
		{`{"value":[]}`, "", badJSON},
	} {
		for _, amounts := range []bool{true, false} {
			s := serve(t, Options{CounterAmounts: amounts})
			s.send(`{"metric_name":"fx_plain_total","payload":` + c.payload + `}`)
			s.pump()
			want, why := c.want, c.reason
			if !amounts { // as Hermes
				want, why = "1", accepted
			}
			s.checkTally(map[reason]int{why: 1})
			if got := s.samples()["fx_plain_total"]; got != want {
				t.Errorf("%s, amounts %v: counted %q, want %q", c.payload, amounts, got, want)
			}
		}
	}
}
