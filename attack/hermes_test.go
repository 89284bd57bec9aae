//go:build attack && linux

package attack_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/promfold/promfold/internal/rig"
)

// hermesConfig is the families to which senders send. Each datagram but a set moves
// one of the samples that hermesTotal adds up by 1.
const hermesConfig = `{
	"counters": [
		{"metric_name": "hx_jobs_total", "metric_description": "Jobs.", "labels": ["sender", "route"]},
		{"metric_name": "hx_plain_total", "metric_description": "Without labels."}],
	"gauges": [
		{"metric_name": "hx_depth", "metric_description": "Up and down.", "labels": ["sender", "way"]},
		{"metric_name": "hx_last", "metric_description": "The last that was set.", "labels": ["sender"]}],
	"histograms": [
		{"metric_name": "hx_seconds", "metric_description": "Half a second each.", "labels": ["sender"], "buckets": [0.25, 1]}],
	"summaries": [
		{"metric_name": "hx_bytes", "metric_description": "Two bytes each.", "labels": ["sender"]}]}`

const (
	hermesAccepted = "promfold_hermes_packets_accepted_total"
	hermesRejected = "promfold_hermes_packets_rejected_total"
	hermesDropped  = "promfold_hermes_packets_dropped_total"
)

// hermesServer is promfold with a listener, and where it listens. It is killed and
// started again on the same directory and addresses.
type hermesServer struct {
	*rig.Sidecar
	dir    string
	udp    string // host:port
	socket string // path of a unix socket
}

// startHermes starts one in a directory.
func startHermes(t *testing.T, dir string, u rig.User, flags ...string) *hermesServer {
	t.Helper()
	h := &hermesServer{dir: dir, udp: freeUDP(t), socket: filepath.Join(rig.NewDirectory(t, u, 0o755), "hermes.sock")}
	config := filepath.Join(rig.NewDirectory(t, u, 0o755), "hermes.json")
	must(t, os.WriteFile(config, []byte(hermesConfig), 0o644))
	h.Sidecar = rig.StartSidecar(t, promfold(), rig.Seat{User: u}, dir, append([]string{"--hermes.config=" + config,
		"--hermes.listen-address=" + h.udp, "--hermes.listen-address=unixgram://" + h.socket}, flags...)...)
	return h
}

// freeUDP is an address on which nobody listens. It is not on 127.0.0.1: rig takes
// the first such address in the log for that of the web server.
func freeUDP(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.2:0")
	must(t, err)
	defer c.Close()
	return c.LocalAddr().String()
}

// dial connects to the UDP address.
func (h *hermesServer) dial(t *testing.T) net.Conn {
	t.Helper()
	return h.dialTo(t, "udp", h.udp)
}

func (h *hermesServer) dialTo(t *testing.T, network, address string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, address)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// come is how many datagrams a scrape accounts for.
func come(got rig.Samples) float64 {
	return got.Sum(hermesAccepted) + got.Sum(hermesRejected) + got.Sum(hermesDropped)
}

// awaitCome waits until so many datagrams are accounted for.
func (h *hermesServer) awaitCome(t *testing.T, sent float64) (got rig.Samples) {
	t.Helper()
	rig.Await(t, patience, func() (err error) {
		if got, err = h.Scrape(); err == nil && come(got) < sent {
			err = fmt.Errorf("%v accepted, %v rejected and %v dropped of %v sent", got.Sum(hermesAccepted),
				got.Sum(hermesRejected), got.Sum(hermesDropped), sent)
		}
		return err
	})
	return got
}

// hermesTotal is how many datagrams other than sets the families show, of one sender
// or, with "", of all.
func hermesTotal(got rig.Samples, sender string) float64 {
	var of []string
	total := got.Sum("hx_plain_total")
	if sender != "" {
		of, total = []string{"sender", sender}, 0
	}
	depth := func(way string) float64 { return got.Sum("hx_depth", append([]string{"way", way}, of...)...) }
	return total + got.Sum("hx_jobs_total", of...) + depth("up") - depth("down") +
		got.Sum("hx_seconds_count", of...) + got.Sum("hx_bytes_count", of...)
}

// checkShapes holds the samples of histograms and summaries against each other. A kill
// may come after the sum of an observation and before its count.
func checkShapes(t *testing.T, got rig.Samples, kills int) {
	t.Helper()
	check := func(name, sender string, n, each float64) {
		t.Helper()
		sum := got.Sum(name+"_sum", "sender", sender)
		if torn := sum/each - n; torn < 0 || torn > float64(kills) {
			t.Errorf("%s of sender %s: %v observations of %v sum to %v", name, sender, n, each, sum)
		}
	}
	for sender, n := range got.By("hx_seconds_count", "sender") {
		check("hx_seconds", sender, n, hermesSeconds)
		for le, want := range map[string]float64{"0.25": 0, "1": n, "+Inf": n} {
			if b := got.Sum("hx_seconds_bucket", "sender", sender, "le", le); b != want {
				t.Errorf("sender %s: bucket %s has %v of %v observations", sender, le, b, n)
			}
		}
	}
	for sender, n := range got.By("hx_bytes_count", "sender") {
		check("hx_bytes", sender, n, hermesBytes)
	}
}

// What senders observe: sums of these are exact.
const (
	hermesSeconds = 0.5
	hermesBytes   = 2
)

// hermesShapes is how many datagrams a sender sends before it begins again.
const hermesShapes = 6

// appendCounted appends the nth datagram of a sender, which counts.
func appendCounted(b []byte, sender string, n int) []byte {
	one := func(metric, labels, rest string) []byte {
		return fmt.Appendf(b, `{"metric_name": "%s", "payload": {"labels": {%s}%s}}`, metric, labels, rest)
	}
	label := `"sender": "` + sender + `"`
	switch n % hermesShapes {
	case 0:
		return one("hx_jobs_total", label+`, "route": "/things/`+strconv.Itoa(n/hermesShapes%20)+`"`, "")
	case 1:
		return one("hx_depth", label+`, "way": "up"`, `, "operation": "increment"`)
	case 2:
		return one("hx_seconds", label, `, "observation": 0.5`)
	case 3:
		return one("hx_bytes", label, `, "observation": 2`)
	case 4:
		return one("hx_depth", label+`, "way": "down"`, `, "operation": "decrement"`)
	default:
		return one("hx_plain_total", "", "")
	}
}

// appendSet appends a datagram that sets the sender's gauge.
func appendSet(b []byte, sender string, value int) []byte {
	return fmt.Appendf(b, `{"metric_name": "hx_last", "payload": {"labels": {"sender": "%s"}, "operation": "set", "value": %d}}`, sender, value)
}
