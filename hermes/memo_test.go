//go:build unix

package hermes

import (
	"fmt"
	"strings"
	"testing"
)

// Property: what is remembered of datagrams is bounded, whatever comes, and what comes
// again counts again.
func TestMemo(t *testing.T) {
	s := serve(t, Options{MaxPacketSize: 10_000})
	r := newReader(s.Listener, s.sockets[0])
	count := func(datagram string) {
		t.Helper()
		if why, err := r.countOne(s.table, []byte(datagram), false); why != accepted {
			t.Fatalf("%.80s: %v, %v", datagram, why, err)
		}
	}
	spelled := func(n int) string { return fmt.Sprintf(`{"metric_name":"fx_plain_total","x":%d}`, n) }
	for n := range 2*maxRemembered + 100 {
		count(spelled(n))
		count(spelled(n))
		if len(r.memo.known) > maxRemembered {
			t.Fatalf("%d datagrams are remembered", len(r.memo.known))
		}
	}
	known := len(r.memo.known)
	count(`{"metric_name":"fx_plain_total"}` + strings.Repeat(" ", 2000)) // white space at its end is none of it
	count(`{"metric_name":"fx_plain_total"` + strings.Repeat(" ", 2000) + `}`)
	count(`{"metric_name":"fx_plain_gauge","payload":{"operation":"set","value":5}}`)
	count(`{"metric_name":"fx_size_bytes","payload":{"labels":{"queue":"mail"},"observation":5}}`)
	if got := len(r.memo.known); got != known+1 {
		t.Errorf("%d of four more are remembered, want one: the others are long, or carry numbers", got-known)
	}
	if got := s.samples()["fx_plain_total"]; got != fmt.Sprint(2*(2*maxRemembered+100)+2) {
		t.Errorf("counted %s", got)
	}
}
