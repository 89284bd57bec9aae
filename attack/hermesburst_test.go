//go:build attack && linux

package attack_test

import (
	"bytes"
	"flag"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/hermes"
	"github.com/promfold/promfold/internal/rig"
)

var hermesBurst = flag.Int("hermes-burst", 200_000, "datagrams that one sender sends as fast as it can")

// A segmented write makes so many datagrams, the most that every kernel takes.
const segments = 64

// burstOf sends n datagrams of a counter as fast as the connection takes them.
type burstOf func(t *testing.T, c net.Conn, n int)

// oneByOne has a system call for each.
func oneByOne(t *testing.T, c net.Conn, n int) {
	t.Helper()
	b := appendCounted(nil, "burst", 0)
	for range n {
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
	}
}

// segmented lets the kernel cut one write into many datagrams: nothing sends faster.
func segmented(t *testing.T, c net.Conn, n int) {
	t.Helper()
	one := appendCounted(nil, "burst", 0)
	segment(t, c, len(one))
	all := bytes.Repeat(one, segments)
	for n > 0 {
		some := min(n, segments)
		if _, err := c.Write(all[:some*len(one)]); err != nil {
			t.Fatal(err)
		}
		n -= some
	}
	segment(t, c, 0)
}

// segment sets the size of the datagrams that a write is cut into, 0 for one write,
// one datagram.
func segment(t *testing.T, c net.Conn, size int) {
	t.Helper()
	raw, err := c.(syscall.Conn).SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, size) }))
	must(t, err)
}

// bufferOfLinux is net.core.rmem_max, unless somebody has raised it.
const bufferOfLinux = 212_992

// Property: of a burst each datagram is accepted or known to be dropped, exactly, and
// the families show those that were accepted: at a listener with all the buffer that
// it asks for, at one of another user, and at one with as little as Linux gives. One
// that gets less than it asks for says so, and so does one that has lost some. Hardly
// any is dropped that had a system call of its own, where the buffer is what was asked
// for.
func TestHermesBurst(t *testing.T) {
	for name, at := range map[string]struct {
		user rig.User
		ask  int
	}{
		"as root": {rig.User{}, hermes.DefaultReceiveBuffer}, "as a user": {theApp, hermes.DefaultReceiveBuffer}, "as Linux has it": {theApp, bufferOfLinux},
	} {
		for way, send := range map[string]burstOf{"one by one": oneByOne, "segmented": segmented} {
			t.Run(name+", "+way, func(t *testing.T) {
				rig.NeedRoot(t)
				h := startHermes(t, rig.NewDirectory(t, at.user, 0o755), at.user, fmt.Sprint("--hermes.receive-buffer=", at.ask))
				c := h.dial(t)
				began := time.Now()
				send(t, c, *hermesBurst)
				sending := time.Since(began)
				got := h.awaitCome(t, float64(*hermesBurst))
				all := time.Since(began)
				checkBurst(t, got, *hermesBurst)
				buffer, lost := got.Sum("promfold_hermes_receive_buffer_bytes"), got.Sum(hermesDropped)
				if name == "as root" && way == "one by one" {
					checkLoss(t, got, *hermesBurst, 0.1)
				}
				log := h.Stop(t)
				if said := strings.Contains(log, "smaller receive buffer"); said != (buffer < float64(at.ask)) {
					t.Errorf("asked for a buffer of %d bytes and got one of %v; the log says so: %v", at.ask, buffer, said)
				}
				if logged := lossLogged(t, log); logged != lost {
					t.Errorf("%v dropped; the log says %v", lost, logged)
				}
				t.Logf("%d datagrams in %v, accounted for after %v, %.0f/s; buffer of %v bytes, lost %v", *hermesBurst,
					sending.Round(time.Millisecond), all.Round(time.Millisecond), float64(*hermesBurst)/all.Seconds(), buffer, lost)
			})
		}
	}
}

var droppedLine = regexp.MustCompile(`dropped datagrams.* datagrams=(\d+)`)

// lossLogged is how many datagrams a log says were dropped.
func lossLogged(t *testing.T, log string) (all float64) {
	t.Helper()
	for _, line := range droppedLine.FindAllStringSubmatch(log, -1) {
		n, err := strconv.ParseFloat(line[1], 64)
		must(t, err)
		all += n
	}
	return all
}

// checkBurst holds what a scrape shows against what was sent.
func checkBurst(t *testing.T, got rig.Samples, sent int) {
	t.Helper()
	accepted, rejected, dropped := got.Sum(hermesAccepted), got.Sum(hermesRejected), got.Sum(hermesDropped)
	if rejected > 0 || accepted+dropped != float64(sent) {
		t.Errorf("%v accepted, %v rejected and %v dropped of %d sent", accepted, rejected, dropped, sent)
	}
	if n := hermesTotal(got, ""); n != accepted {
		t.Errorf("the families show %v, and %v were accepted", n, accepted)
	}
}

// checkLoss fails if the kernel dropped a larger part of what was sent, though there
// was all the buffer that a sidecar asks for. Be generous: a sidecar that others keep
// from the processor loses some.
func checkLoss(t *testing.T, got rig.Samples, sent int, atMost float64) {
	t.Helper()
	buffer, dropped := got.Sum("promfold_hermes_receive_buffer_bytes"), got.Sum(hermesDropped)
	if buffer >= hermes.DefaultReceiveBuffer && dropped > atMost*float64(sent) {
		t.Errorf("a buffer of %v bytes has lost %v of %d datagrams", buffer, dropped, sent)
	}
}

// Property: a sidecar that is stopped in the middle of a burst knows afterwards how
// many datagrams its buffer had no room for, exactly, and has counted the others.
func TestHermesStarved(t *testing.T) {
	rig.NeedRoot(t)
	h := startHermes(t, rig.NewDirectory(t, theApp, 0o755), theApp)
	c := h.dial(t)
	half := *hermesBurst / 2
	oneByOne(t, c, half)
	h.Process().Signal(t, syscall.SIGSTOP)
	segmented(t, c, half)
	h.Process().Signal(t, syscall.SIGCONT)
	got := h.awaitCome(t, float64(2*half))
	checkBurst(t, got, 2*half)
	dropped := got.Sum(hermesDropped)
	if dropped == 0 {
		t.Errorf("a buffer of %v bytes has taken %d datagrams", got.Sum("promfold_hermes_receive_buffer_bytes"), half)
	}
	oneByOne(t, c, 1000) // of which none needs to wait
	checkBurst(t, h.awaitCome(t, float64(2*half+1000)), 2*half+1000)
	t.Logf("%d datagrams, half of them to a stopped sidecar: %v dropped", 2*half, dropped)
}
