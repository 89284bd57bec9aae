//go:build attack && linux

package attack_test

import (
	"flag"
	"strconv"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

var (
	hermesSenders   = flag.Int("hermes-senders", 8, "processes that send datagrams at once")
	hermesDatagrams = flag.Int("hermes-datagrams", 100_000, "datagrams of each of them")
	hermesRate      = flag.Int("hermes-rate", 10, "datagrams that each of them sends in a millisecond")
)

// Property: of what many processes send at a steady rate, in all shapes, each
// datagram is accepted or known to be dropped, and what the families show together
// is what was accepted, to the datagram; without loss every series is what was sent
// to it. Hardly any is dropped, and no total goes down meanwhile.
func TestHermesManySenders(t *testing.T) {
	h := startHermes(t, rig.NewDirectory(t, rig.User{}, 0o755), rig.User{})
	began := time.Now()
	var senders []*hermesProcess
	for i := range *hermesSenders - 1 {
		senders = append(senders, startSender(t, "udp", h.udp, strconv.Itoa(i), hermesCounts, *hermesDatagrams, *hermesRate))
	}
	setter := startSender(t, "udp", h.udp, "setter", hermesSets, *hermesDatagrams, *hermesRate)
	stop := h.watch(t)
	sent := 0
	for _, p := range append(senders, setter) {
		sent += p.ended(t).Sent
	}
	if want := *hermesSenders * *hermesDatagrams; sent != want {
		t.Fatalf("%d sent, not %d", sent, want)
	}
	got := h.awaitCome(t, float64(sent))
	took := time.Since(began)
	scrapes := stop()
	accepted, dropped := got.Sum(hermesAccepted), got.Sum(hermesDropped)
	if rejected := got.Sum(hermesRejected); rejected > 0 || accepted+dropped != float64(sent) {
		t.Errorf("%v accepted, %v rejected and %v dropped of %d sent", accepted, rejected, dropped, sent)
	}
	checkLoss(t, got, sent, 0.01)
	checkShapes(t, got, 0)
	checkSetter(t, got, accepted-hermesTotal(got, ""), dropped)
	for i := range *hermesSenders - 1 {
		checkSender(t, got, strconv.Itoa(i), dropped)
	}
	t.Logf("%d datagrams of %d processes in %v, %.0f/s: %v accepted, %v dropped; %d scrapes meanwhile",
		sent, *hermesSenders, took.Round(time.Millisecond), float64(sent)/took.Seconds(), accepted, dropped, scrapes)
}

// checkSetter holds the gauge against how many of the sets were accepted.
func checkSetter(t *testing.T, got rig.Samples, sets, dropped float64) {
	t.Helper()
	last := got.Sum("hx_last", "sender", "setter")
	if all := float64(*hermesDatagrams); sets > all || sets < all-dropped || last < sets || last > all {
		t.Errorf("%v sets of %v accepted, and %v dropped of all datagrams; the last was to %v", sets, all, dropped, last)
	}
}

// checkSender holds what one sender's series show against what it sent.
func checkSender(t *testing.T, got rig.Samples, sender string, dropped float64) {
	t.Helper()
	shape := func(n int) float64 { return float64((*hermesDatagrams - n + hermesShapes - 1) / hermesShapes) }
	for name, want := range map[string]struct{ got, sent float64 }{
		"jobs":    {got.Sum("hx_jobs_total", "sender", sender), shape(0)},
		"ups":     {got.Sum("hx_depth", "sender", sender, "way", "up"), shape(1)},
		"seconds": {got.Sum("hx_seconds_count", "sender", sender), shape(2)},
		"bytes":   {got.Sum("hx_bytes_count", "sender", sender), shape(3)},
		"downs":   {-got.Sum("hx_depth", "sender", sender, "way", "down"), shape(4)},
	} {
		if want.got > want.sent || want.got < want.sent-dropped {
			t.Errorf("sender %s: %v %s of %v sent, with %v dropped of all", sender, want.got, name, want.sent, dropped)
		}
	}
}
