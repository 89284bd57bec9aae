//go:build attack && linux

package attack_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

var hermesKills = flag.Int("hermes-kills", 20, "how often a sidecar is killed that datagrams are sent to")

// endless is more datagrams than a sender sends before it is stopped.
const endless = 1 << 40

// busy is so many datagrams in a burst that the sidecar is still at work on them when
// it is killed.
const busy = 20_000

// Property: a sidecar is killed at random moments while it counts, and started again
// on the same directory and addresses. What the families show and what the counter of
// accepted datagrams says differ by no more than one datagram for each kill; neither
// goes down meanwhile, and gauges go on from where they were.
func TestHermesKilled(t *testing.T) {
	h := startHermes(t, rig.NewDirectory(t, rig.User{}, 0o755), rig.User{}, "--archive.interval=50ms")
	stop := h.watch(t)
	var senders []*hermesProcess
	for i := range 3 {
		senders = append(senders, startSender(t, "udp", h.udp, strconv.Itoa(i), hermesCounts, endless, 5))
	}
	senders = append(senders, startSender(t, "unixgram", h.socket, "local", hermesCounts, endless, 5))
	_, err := h.dial(t).Write(appendSet(nil, "once", 42))
	must(t, err)
	accepted, bursts := 0.0, 0
	for range *hermesKills {
		h.awaitAccepted(t, accepted+100)
		time.Sleep(rand.N(20 * time.Millisecond)) // any moment will do
		segmented(t, h.dial(t), busy)
		bursts += busy
		h.Restart(t)
		accepted = h.Scraped(t).Sum(hermesAccepted)
	}
	h.awaitAccepted(t, accepted+100)
	sent, failed := bursts, 0
	for _, p := range senders {
		l := p.stop(t)
		sent, failed = sent+l.Sent, failed+l.Failed
	}
	got := h.quiet(t)
	scrapes := stop()
	checkShapes(t, got, *hermesKills)
	if last := got.Sum("hx_last", "sender", "once"); last != 42 {
		t.Errorf("a gauge that was set to 42 before the kills is %v", last)
	}
	accepted = got.Sum(hermesAccepted) - 1 // that
	ahead := hermesTotal(got, "") - accepted
	if ahead < 0 || ahead > float64(*hermesKills) {
		t.Errorf("the families show %v datagrams more than the %v that were accepted, after %d kills", ahead, accepted, *hermesKills)
	}
	if gone := float64(sent+2) - accepted; gone < 0 || got.Sum(hermesRejected) > 0 {
		t.Errorf("%v accepted and %v rejected of %d sent", accepted, got.Sum(hermesRejected), sent)
	}
	t.Logf("%d kills: %d datagrams sent, %d more to nobody; %v accepted, the families %v ahead; %v dropped; %d scrapes",
		*hermesKills, sent, failed, accepted, ahead, got.Sum(hermesDropped), scrapes)
}

// awaitAccepted waits until so many were accepted.
func (h *hermesServer) awaitAccepted(t *testing.T, n float64) {
	t.Helper()
	rig.Await(t, patience, func() error {
		if got := h.Scraped(t).Sum(hermesAccepted); got < n {
			return fmt.Errorf("%v accepted, not %v", got, n)
		}
		return nil
	})
}

// quiet is a scrape after all that was sent before. A datagram more on each socket
// says when: they are counted in their order.
func (h *hermesServer) quiet(t *testing.T) (got rig.Samples) {
	t.Helper()
	for sender, c := range map[string]net.Conn{"last by udp": h.dial(t), "last by unixgram": h.dialTo(t, "unixgram", h.socket)} {
		if _, err := c.Write(appendCounted(nil, sender, 0)); err != nil {
			t.Fatal(err)
		}
		rig.Await(t, patience, func() error {
			if got = h.Scraped(t); got.Sum("hx_jobs_total", "sender", sender) == 0 {
				return fmt.Errorf("the %s has not come", sender)
			}
			return nil
		})
	}
	return got
}
