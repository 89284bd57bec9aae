//go:build attack && linux

package attack_test

import (
	"flag"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/rig"
)

var hermesEnds = flag.Int("hermes-ends", 10, "how often a sidecar is told to end that datagrams are sent to")

// Property: what waits in the sockets when a sidecar is told to end is counted before
// it ends, to the datagram, and is there when it starts again.
func TestHermesStopped(t *testing.T) {
	h := startHermes(t, rig.NewDirectory(t, rig.User{}, 0o755), rig.User{})
	// A unix socket lets the sender wait when it is full: these are fewer.
	const byUDP, byUnix = 2000, 5
	for n := range 25 {
		udp, local := h.dial(t), h.dialTo(t, "unixgram", h.socket)
		h.Process().Signal(t, syscall.SIGSTOP)
		for i := range byUDP {
			_, err := udp.Write(appendCounted(nil, "udp", i))
			must(t, err)
		}
		for i := range byUnix {
			_, err := local.Write(appendCounted(nil, "local", i))
			must(t, err)
		}
		h.Process().Signal(t, syscall.SIGTERM)
		h.Process().Signal(t, syscall.SIGCONT)
		if err := h.Process().Ended(t, patience); err != nil {
			t.Fatal(err)
		}
		h.Restart(t)
		checkBurst(t, h.Scraped(t), (n+1)*(byUDP+byUnix))
	}
}

// Property: told to end while many send, a sidecar ends in good order, and has counted
// each datagram that was sent and not turned away, in the families and as accepted.
func TestHermesStoppedInTheMiddle(t *testing.T) {
	for _, network := range []string{"udp", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			// Only where nobody else sends does the kernel say how many were turned away.
			if network == "udp" && elsewhere(t) {
				return
			}
			h := startHermes(t, rig.NewDirectory(t, rig.User{}, 0o755), rig.User{})
			address := map[string]string{"udp": h.udp, "unixgram": h.socket}[network]
			nobody := noPorts(t)
			var senders []*hermesProcess
			for i := range 3 {
				senders = append(senders, startSender(t, network, address, strconv.Itoa(i), hermesCounts, endless, 5))
			}
			for range *hermesEnds {
				h.awaitAccepted(t, h.Scraped(t).Sum(hermesAccepted)+1000)
				h.Stop(t)
				h.Restart(t)
			}
			sent, failed := 2, 0 // what quiet sends
			for _, p := range senders {
				l := p.stop(t)
				sent, failed = sent+l.Sent, failed+l.Failed
			}
			got := h.quiet(t)
			if n, accepted := hermesTotal(got, ""), got.Sum(hermesAccepted); n != accepted {
				t.Errorf("the families show %v, and %v were accepted", n, accepted)
			}
			least, most := 0.0, 0.0
			if network == "udp" {
				// Who is turned away has taken the datagram for sent, and hears of it when
				// he sends the next; or does not, if there are too many.
				least, most = float64(failed), noPorts(t)-nobody
			}
			away := float64(sent) - come(got)
			if away < least || away > most {
				t.Errorf("%v of %d have not come; from %v to %v were turned away", away, sent, least, most)
			}
			t.Logf("%d ends: %d sent, %d more to nobody; %v accepted, %v dropped, %v turned away",
				*hermesEnds, sent, failed, got.Sum(hermesAccepted), got.Sum(hermesDropped), away)
		})
	}
}

const aloneVariable = "ATTACK_TEST_ALONE"

// elsewhere has a process of its own run the test, in a network namespace in which
// nobody else is. It reports false there, and to a user who may not make one.
func elsewhere(t *testing.T) bool {
	t.Helper()
	if os.Getenv(aloneVariable) != "" {
		must(t, setUp("lo"))
		return false
	}
	if os.Geteuid() != 0 {
		return false
	}
	exact := "^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$"
	p := rig.Start(t, t.Name(), rig.Command{
		Args: []string{itself(), "-test.v", "-test.run", exact, "-hermes-ends", strconv.Itoa(*hermesEnds)},
		Env:  []string{aloneVariable + "=1"},
		Attr: func(a *syscall.SysProcAttr) { a.Cloneflags = unix.CLONE_NEWNET },
	})
	err := p.Ended(t, patience+time.Duration(*hermesEnds)*patience)
	said := p.Out.String()
	if err != nil || !strings.Contains(said, "--- PASS: "+t.Name()) {
		t.Errorf("alone: %v", err)
	}
	t.Log(said)
	return true
}

// setUp switches on the device of a name.
func setUp(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// noPorts is how many UDP datagrams have come, to the network namespace that the test
// is in, for which there was no socket.
func noPorts(t *testing.T) float64 {
	t.Helper()
	text, err := os.ReadFile("/proc/net/snmp")
	must(t, err)
	lines := regexp.MustCompile(`(?m)^Udp: (.*)$`).FindAllStringSubmatch(string(text), -1)
	at := slices.Index(strings.Fields(lines[0][1]), "NoPorts")
	n, err := strconv.ParseFloat(strings.Fields(lines[1][1])[at], 64)
	must(t, err)
	return n
}
