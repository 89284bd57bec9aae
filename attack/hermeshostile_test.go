//go:build attack && linux

package attack_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/hermes"
	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/worker"
)

var hermesLabels = flag.Int("hermes-labels", 100_000, "label sets that a hostile sender makes up")

// hermesMemory is by how much memory of its own a sidecar may grow for them. Without
// a limit of series it takes twice or three times that.
const hermesMemory = 80 << 20

// hostilePacket is a kind of datagram of somebody who means harm.
type hostilePacket struct {
	reason string // for which it is rejected, "" if it is not
	times  int
	make   func(rng *rand.Rand, n int) []byte
}

func hostilePackets() map[string]hostilePacket {
	nested := func(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }
	large := []byte(`{"metric_name": "hx_jobs_total", "payload": {"labels": {"sender": "large", "route": "` + strings.Repeat("x", 65_000) + `"}}}`)
	return map[string]hostilePacket{
		"large":   {"oversize", 2000, func(*rand.Rand, int) []byte { return large }},
		"largest": {"oversize", 500, func(*rand.Rand, int) []byte { return bytes.Repeat([]byte("x"), 65_507) }},
		"random": {"json", 20_000, func(rng *rand.Rand, _ int) []byte {
			b := make([]byte, rng.IntN(hermes.DefaultMaxPacketSize))
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			return b
		}},
		"cut": {"json", 20_000, func(rng *rand.Rand, n int) []byte {
			b := appendCounted(nil, "cut", n)
			return b[:rng.IntN(len(b)-1)]
		}},
		"with junk": {"json", 20_000, func(rng *rand.Rand, n int) []byte {
			return append(appendCounted(nil, "junk", n), byte('a'+rng.IntN(26)))
		}},
		"unclosed": {"json", 2000, func(*rand.Rand, int) []byte { return bytes.Repeat([]byte("["), hermes.DefaultMaxPacketSize) }},
		"nested labels": {"json", 2000, func(*rand.Rand, int) []byte {
			return []byte(`{"metric_name": "hx_plain_total", "payload": {"labels": ` + nested(900) + `}}`)
		}},
		"nested aside": {"", 2000, func(*rand.Rand, int) []byte {
			return []byte(`{"aside": ` + nested(900) + `, "metric_name": "hx_plain_total"}`)
		}},
		"unknown": {"unknown_metric", 2000, func(rng *rand.Rand, _ int) []byte {
			return fmt.Appendf(nil, `{"metric_name": "hx_%d"}`, rng.Uint64())
		}},
	}
}

// hostileSender sends as fast as its socket takes it. A unix socket lets it wait; by UDP
// it waits by itself, so that what is sent comes.
type hostileSender struct {
	net.Conn
	h          *hermesServer
	bytes, n   int // since it waited
	sent, sets int // all, and those among them that ask whether the others have come
}

// A buffer of promfold's has room for this, whatever the kernel counts for a datagram.
const (
	hostilePortion = 2000
	hostileBytes   = 4 << 20
)

func (s *hostileSender) send(t *testing.T, b []byte) {
	t.Helper()
	if s.RemoteAddr().Network() == "udp" && (s.n == hostilePortion || s.bytes > hostileBytes) {
		s.wait(t)
	}
	_, err := s.Write(b)
	for len(b) == 0 && errors.Is(err, unix.EAGAIN) { // for which a write of nothing does not wait
		_, err = s.Write(b)
	}
	must(t, err)
	s.n, s.bytes, s.sent = s.n+1, s.bytes+len(b), s.sent+1
}

// wait waits until all has been counted. What comes to one socket is counted in its order.
func (s *hostileSender) wait(t *testing.T) {
	t.Helper()
	s.sets, s.sent = s.sets+1, s.sent+1
	_, err := s.Write(appendSet(nil, "hostile", s.sets))
	must(t, err)
	rig.Await(t, patience, func() error {
		if got := s.h.Scraped(t).Sum("hx_last", "sender", "hostile"); got != float64(s.sets) {
			return fmt.Errorf("set %d has not come, the last was %v", s.sets, got)
		}
		return nil
	})
	s.n, s.bytes = 0, 0
}

// sendHostile sends all of it, and returns how many there were by reason.
func (s *hostileSender) sendHostile(t *testing.T) (by map[string]int) {
	t.Helper()
	by = make(map[string]int)
	rng := rand.New(rand.NewPCG(5, 6))
	for _, p := range hostilePackets() {
		for n := range p.times {
			s.send(t, p.make(rng, n))
		}
		by[p.reason] += p.times
	}
	return by
}

// sendLabels makes up label sets.
func (s *hostileSender) sendLabels(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		s.send(t, fmt.Appendf(nil, `{"metric_name": "hx_jobs_total", "payload": {"labels": {"sender": "hostile", "route": "/%d"}}}`, i))
	}
}

// Property: whatever a hostile sender sends, as fast as it is taken, through either kind
// of socket, each of its datagrams is accounted for, by reason, and its label sets take no
// more memory than the limit lets them. Meanwhile scrapes are answered, a worker and a
// good sender through the other socket count exactly; so does one through the same
// socket, but for what the kernel dropped, which is next to nothing.
func TestHermesHostile(t *testing.T) {
	for _, network := range []string{"udp", "unixgram"} {
		t.Run(network, func(t *testing.T) { hermesHostile(t, network) })
	}
}

func hermesHostile(t *testing.T, network string) {
	dir := rig.NewDirectory(t, rig.User{}, 0o755)
	store, err := worker.New(dir)
	must(t, err)
	defer store.Close()
	worked := worker.With(store).NewCounter(prometheus.CounterOpts{Name: "n_total", Help: "Things counted."})
	h := startHermes(t, dir, rig.User{})
	addresses := map[string]string{"udp": h.udp, "unixgram": h.socket}
	good := make(map[string]*hermesProcess)
	for network, address := range addresses {
		good[network] = startSender(t, network, address, "good "+network, hermesCounts, endless, 1)
	}
	goodSeries := h.awaitGoodSeries(t)
	before := anonymous(t, h)
	stop := h.watch(t)
	hostile := &hostileSender{Conn: h.dialTo(t, network, addresses[network]), h: h}
	want := hostile.sendHostile(t)
	hostile.sendLabels(t, *hermesLabels)
	worked.Inc()
	want["series_limit"] = max(0, *hermesLabels+goodSeries-hermes.DefaultMaxSeries)
	want[""] += *hermesLabels - want["series_limit"] + hostile.sets
	sent := hostile.sent
	counted := make(map[string]int)
	for network, p := range good {
		counted[network] = p.stop(t).Sent
		sent += counted[network]
		want[""] += counted[network]
	}
	got := h.awaitCome(t, float64(sent))
	grown := anonymous(t, h) - before
	scrapes := stop()
	dropped := got.Sum(hermesDropped)
	checkReasons(t, got, want, dropped)
	checkLoss(t, got, sent, 0.001)
	if all := come(got); all != float64(sent) {
		t.Errorf("%v accounted for of %d sent", all, sent)
	}
	for other, n := range counted {
		checkGood(t, got, "good "+other, n, map[bool]float64{other == "udp": dropped}[network == "udp"])
	}
	if n := got.Sum("n_total"); n != 1 {
		t.Errorf("the worker counted %v", n)
	}
	if n := len(got.By("hx_jobs_total", "route")); n > hermes.DefaultMaxSeries || grown > hermesMemory {
		t.Errorf("%d label sets; %d MB more memory than before", n, grown>>20)
	}
	t.Logf("%d datagrams, %v dropped, rejected %v; good ones %v; %d MB more memory; %d scrapes",
		sent, dropped, got.By(hermesRejected, "reason"), counted, grown>>20, scrapes)
}

// awaitGoodSeries waits until both good senders have all their series, and returns how
// many there are of the family that the hostile sender fills.
func (h *hermesServer) awaitGoodSeries(t *testing.T) (n int) {
	t.Helper()
	rig.Await(t, patience, func() error {
		n = 0
		for _, one := range h.Scraped(t) {
			if one.Name == "hx_jobs_total" {
				n++
			}
		}
		if n < 2*20 {
			return fmt.Errorf("%d series", n)
		}
		return nil
	})
	return n
}

// checkReasons holds what became of datagrams against what should, but for those that
// were dropped.
func checkReasons(t *testing.T, got rig.Samples, want map[string]int, dropped float64) {
	t.Helper()
	have := got.By(hermesRejected, "reason")
	have[""] = got.Sum(hermesAccepted)
	for reason, n := range have {
		if n > float64(want[reason]) || n < float64(want[reason])-dropped {
			t.Errorf("%v for reason %q, not %d; %v dropped", n, reason, want[reason], dropped)
		}
	}
}

// checkGood holds what a good sender's series show against what it sent.
func checkGood(t *testing.T, got rig.Samples, sender string, sent int, dropped float64) {
	t.Helper()
	// One of the shapes is shared by all senders.
	own := float64(sent - sent/hermesShapes)
	if n := hermesTotal(got, sender); n > own || n < own-dropped {
		t.Errorf("sender %q: %v of %v that it sent; %v dropped", sender, n, own, dropped)
	}
}

var rssAnon = regexp.MustCompile(`RssAnon:\s+(\d+) kB`)

// anonymous is how much memory a sidecar has of its own.
func anonymous(t *testing.T, h *hermesServer) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.Process().PID))
	must(t, err)
	found := rssAnon.FindSubmatch(status)
	if found == nil {
		t.Fatalf("no memory in:\n%s", status)
	}
	kB, err := strconv.Atoi(string(found[1]))
	must(t, err)
	return kB << 10
}
