//go:build interop && linux

package interop_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

// hermesPython is an interpreter that has a release of python-hermes.
func hermesPython(t *testing.T, venv string) string {
	t.Helper()
	python, err := filepath.Abs("../bin/interop/" + venv + "/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	needPython(t, python, "hermes")
	return python
}

// hermesServer is promfold where Hermes would be.
type hermesServer struct {
	*rig.Process
	url     string
	address string // where datagrams go
}

var (
	hermesServing   = regexp.MustCompile(`msg="Listening on" address=(127\.0\.0\.1:\d+)`)
	hermesListening = regexp.MustCompile(`msg="Listening for Hermes datagrams" address=(\S+)`)
)

// startHermes starts a command that becomes promfold with a listener.
func startHermes(t *testing.T, what rig.Command) *hermesServer {
	t.Helper()
	h := &hermesServer{Process: rig.Start(t, "promfold", what)}
	h.address = h.Says(t, hermesListening, 1, rig.Patience)[1]
	h.url = "http://" + h.Says(t, hermesServing, 1, rig.Patience)[1] + "/metrics"
	return h
}

// serveHermes starts promfold serve with the configuration of these tests.
func serveHermes(t *testing.T) *hermesServer {
	t.Helper()
	return startHermes(t, rig.Command{Args: []string{promfold(), "serve", "--multiproc.dir=" + rig.NewDirectory(t, rig.User{}, 0o755),
		"--web.listen-address=127.0.0.1:0", "--hermes.config=" + testdata("hermes/config.json"), "--hermes.listen-address=127.0.0.1:0"}})
}

func (h *hermesServer) port(t *testing.T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(h.address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (h *hermesServer) scraped(t *testing.T) rig.Samples {
	t.Helper()
	got, err := rig.Ask(http.DefaultClient, h.url)
	if err != nil {
		t.Fatalf("scrape: %v", err)
	}
	return got
}

const (
	hermesAccepted = "promfold_hermes_packets_accepted_total"
	hermesRejected = "promfold_hermes_packets_rejected_total"
)

// awaitDatagrams scrapes until so many have come, whatever became of them.
func (h *hermesServer) awaitDatagrams(t *testing.T, sent float64) (got rig.Samples) {
	t.Helper()
	rig.Await(t, 20*time.Second, func() error {
		got = h.scraped(t)
		if come := got.Sum(hermesAccepted) + got.Sum(hermesRejected); come < sent {
			return fmt.Errorf("%v datagrams have come of %v that were sent", come, sent)
		}
		return nil
	})
	return got
}

// hermesLedger is what a script has called, in its own words: see ledger.py.
type hermesLedger struct {
	Series []struct {
		Name   string
		Labels map[string]string
		Value  float64
	}
	Accepted float64
	Rejected map[string]float64 // by reason
	Raised   map[string]string  // what was called, and what it raised
}

// sent is the datagrams that left the script.
func (l *hermesLedger) sent() float64 {
	total := l.Accepted
	for _, n := range l.Rejected {
		total += n
	}
	return total
}

// bySeries is the values by the notation of rig.Samples.
func (l *hermesLedger) bySeries() map[string]float64 {
	values := make(map[string]float64)
	for _, one := range l.Series {
		values[rig.Series(one.Name, one.Labels)] += one.Value
	}
	return values
}

// readHermesLedger is what the script has printed.
func readHermesLedger(t *testing.T, out *bytes.Buffer) (l hermesLedger) {
	t.Helper()
	if err := json.Unmarshal(out.Bytes(), &l); err != nil {
		t.Fatalf("the ledger: %v in %q", err, out)
	}
	if l.Accepted == 0 || len(l.Series) == 0 {
		t.Fatalf("the ledger says that nothing was called: %q", out)
	}
	return l
}

// runHermesScript runs one that is over after its calls.
func runHermesScript(t *testing.T, python, script string, h *hermesServer) hermesLedger {
	t.Helper()
	var out bytes.Buffer
	p := rig.Start(t, script, rig.Command{Args: []string{python, "-B", testdata("hermes/" + script), h.port(t)}, Stdout: &out})
	if err := p.Ended(t, time.Minute); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, p.Out.Tail(40))
	}
	return readHermesLedger(t, &out)
}

// sameSeries compares everything that applications exposed, both ways.
func sameSeries(t *testing.T, got rig.Samples, want map[string]float64) {
	t.Helper()
	for series, value := range want {
		if one, ok := got[series]; !ok || one.Value != value {
			t.Errorf("%s is %v (exposed: %v); the ledger says %v", series, one.Value, ok, value)
		}
	}
	for series, one := range got.App() {
		if _, ok := want[series]; !ok {
			t.Errorf("%s is %v; nobody has called for it", series, one.Value)
		}
	}
}

// sameDatagrams compares the listener's own account.
func sameDatagrams(t *testing.T, got rig.Samples, accepted float64, rejected map[string]float64) {
	t.Helper()
	if n := got.Sum(hermesAccepted); n != accepted {
		t.Errorf("%v datagrams are accepted; %v are calls that count", n, accepted)
	}
	by := got.By(hermesRejected, "reason")
	maps.DeleteFunc(by, func(_ string, n float64) bool { return n == 0 })
	if !maps.Equal(by, rejected) {
		t.Errorf("rejected by reason: %v; the ledger says %v", by, rejected)
	}
}

// raisedByAll is what python-hermes 0.0.4 raises whatever the release of pydantic.
var raisedByAll = map[string]string{
	"counter_wrapper before what raises": "KeyError",
	"counter_wrapper after what raises":  "KeyError",
	"labels None":                        "InvalidMetricException",
	"a value that is no number":          "InvalidMetricException",
	"an observation that is no number":   "InvalidMetricException",
	"labels that are a string":           "InvalidMetricException",
	"70 kB":                              "OSError",
	"a port that is a string":            "HermesConfigurationException",
	"a host that is not IPv4":            "gaierror",
}

// raisedToo adds to it.
func raisedToo(more map[string]string) map[string]string {
	all := maps.Clone(raisedByAll)
	maps.Copy(all, more)
	return all
}

// Property: every function, decorator and context manager of PyPI's python-hermes,
// called as its users call them, comes to what it says, series by series, and no
// other series is exposed; each datagram that Hermes would have dropped is counted
// by its reason; and the client raises what it raises with Hermes. That is so for
// the first release and the last, and for the last one also with today's pydantic,
// with which the client can neither increment nor decrement a gauge.
func TestHermesPython(t *testing.T) {
	for _, c := range []struct {
		venv, script string
		raised       map[string]string
	}{
		{"hermes-0.0.4", "calls.py", raisedToo(map[string]string{
			"hermes_gauge around what raises":  "KeyError",
			"gauge_wrapper around what raises": "KeyError",
		})},
		{"hermes-0.0.4-pydantic-2", "calls.py", raisedToo(map[string]string{
			"a label that is a number":         "InvalidMetricException",
			"increment_gauge":                  "InvalidMetricException",
			"decrement_gauge":                  "InvalidMetricException",
			"hermes_gauge":                     "InvalidMetricException",
			"hermes_gauge around what raises":  "InvalidMetricException",
			"gauge_wrapper":                    "InvalidMetricException",
			"gauge_wrapper around what raises": "InvalidMetricException",
		})},
		{"hermes-0.0.1", "oldcalls.py", map[string]string{
			"a value that is no number": "InvalidMetricException",
			"value None":                "InvalidMetricException",
			"labels None":               "InvalidMetricException",
			"a port that is a string":   "HermesConfigurationException",
		}},
	} {
		t.Run(c.venv, func(t *testing.T) {
			python := hermesPython(t, c.venv)
			h := serveHermes(t)
			ledger := runHermesScript(t, python, c.script, h)
			if !maps.Equal(ledger.Raised, c.raised) {
				t.Errorf("raised: %v, not %v", ledger.Raised, c.raised)
			}
			got := h.awaitDatagrams(t, ledger.sent())
			sameSeries(t, got, ledger.bySeries())
			sameDatagrams(t, got, ledger.Accepted, ledger.Rejected)
			t.Logf("%v datagrams are %d series; %v others were rejected; %d calls raised",
				ledger.Accepted, len(ledger.Series), ledger.sent()-ledger.Accepted, len(ledger.Raised))
		})
	}
}

// Property: four processes that share nothing count with 2,000 calls each, and the
// sums of their own ledgers are exposed, exactly. None makes more calls than fit
// the socket's buffer before those of all were taken, so no datagram can be lost
// however busy the machine is.
func TestHermesProcesses(t *testing.T) {
	const processes, calls, atOnce = 4, 2000, 40
	python := hermesPython(t, "hermes-0.0.4")
	h := serveHermes(t)
	var senders [processes]*rig.Process
	var outs [processes]bytes.Buffer
	for i := range senders {
		senders[i] = rig.Start(t, fmt.Sprintf("paced.py %d", i), rig.Command{Stdin: true, Stdout: &outs[i],
			Args: []string{python, "-B", testdata("hermes/paced.py"), h.port(t)}})
	}
	for made := atOnce; made <= calls; made += atOnce {
		for _, s := range senders {
			if _, err := s.Stdin.Write([]byte(strconv.Itoa(atOnce) + "\n")); err != nil {
				t.Fatal(err)
			}
		}
		h.awaitDatagrams(t, float64(processes*made))
	}
	want := make(map[string]float64)
	var accepted float64
	for i, s := range senders {
		if err := s.Stdin.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Ended(t, time.Minute); err != nil {
			t.Fatal(err)
		}
		l := readHermesLedger(t, &outs[i])
		for series, value := range l.bySeries() {
			want[series] += value
		}
		accepted += l.Accepted
	}
	if accepted != processes*calls {
		t.Errorf("the ledgers have %v calls, not %d", accepted, processes*calls)
	}
	got := h.scraped(t)
	sameSeries(t, got, want)
	sameDatagrams(t, got, accepted, map[string]float64{})
	t.Logf("%v calls by %d processes are %d series", accepted, processes, len(want))
}
