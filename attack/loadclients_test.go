//go:build attack && linux

package attack_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/promfold/promfold/internal/rig"
)

// loadClients are those of a load, good and bad. Each has a goroutine.
type loadClients struct {
	url   string
	least func() map[string]float64 // what an answer must show that begins now
	few   url.Values                // what most scrapers ask for, if not for all
	rest  time.Duration             // of each client between two requests
	quit  chan struct{}
	ended sync.WaitGroup

	asked    atomic.Int64 // requests sent
	answered atomic.Int64 // answers read in full, and good
	hungUp   atomic.Int64
	stuck    atomic.Int64 // slow readers that have the beginning of an answer

	faults rig.Faults
}

// start starts n clients that do the same again and again.
func (c *loadClients) start(n int, do func(rng *rand.Rand) error) {
	for i := range n {
		c.ended.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 7))
			for !c.stopping() {
				if err := do(rng); err != nil && !c.stopping() {
					c.faults.Add("%v", err)
				}
				c.pause(c.rest)
			}
		})
	}
}

// pause waits, but not beyond the end.
func (c *loadClients) pause(d time.Duration) {
	select {
	case <-c.quit:
	case <-time.After(d):
	}
}

func (c *loadClients) stopping() bool {
	select {
	case <-c.quit:
		return true
	default:
		return false
	}
}

// stop ends all clients, and reports what they saw.
func (c *loadClients) stop(t testing.TB) {
	t.Helper()
	close(c.quit)
	c.ended.Wait()
	c.faults.Report(t)
}

// loadFormats are what scrapers ask for, and how the answers are read.
var loadFormats = []struct {
	accept string
	parse  func(http.Header, []byte) (rig.Samples, error)
}{
	{"", parseText},
	{"text/plain;version=0.0.4", parseText},
	{"application/openmetrics-text;version=1.0.0,text/plain;q=0.1", parseOpenMetrics},
	{string(expfmt.NewFormat(expfmt.TypeProtoDelim)), parseProto},
}

func parseText(_ http.Header, b []byte) (rig.Samples, error) { return rig.Parse(string(b)) }

// parseOpenMetrics reads the samples: to the parser of the older format counters
// have no type, since their families have other names.
func parseOpenMetrics(_ http.Header, b []byte) (rig.Samples, error) {
	text, whole := strings.CutSuffix(string(b), "# EOF\n")
	if !whole {
		return nil, errors.New("no # EOF at the end")
	}
	var samples strings.Builder
	for line := range strings.Lines(text) {
		if line[0] != '#' || strings.HasSuffix(line, " histogram\n") || strings.HasSuffix(line, " summary\n") {
			samples.WriteString(line)
		}
	}
	return rig.Parse(samples.String())
}

func parseProto(h http.Header, b []byte) (rig.Samples, error) {
	var families []*dto.MetricFamily
	decoder := expfmt.NewDecoder(bytes.NewReader(b), expfmt.ResponseFormat(h))
	for {
		family := &dto.MetricFamily{}
		err := decoder.Decode(family)
		if errors.Is(err, io.EOF) {
			return rig.FromFamilies(func(yield func(*dto.MetricFamily) bool) {
				for _, f := range families {
					if !yield(f) {
						return
					}
				}
			}), nil
		}
		if err != nil {
			return nil, err
		}
		families = append(families, family)
	}
}

// scrapers start n clients that read what they ask for.
//
// Properties: each answer is whole and valid in its format, shows at least what was
// acknowledged when it was asked for, and nothing cumulative goes down or leaves.
func (c *loadClients) scrapers(n int) {
	for i := range n {
		format := loadFormats[i%len(loadFormats)]
		compressed := i/len(loadFormats)%2 == 0
		address := c.url
		if len(c.few) > 0 && i%4 != i/4%4 { // of each format some
			address += "?" + c.few.Encode()
		}
		var seen rig.Monotone
		c.start(1, func(rng *rand.Rand) error {
			time.Sleep(rand.N(20 * time.Millisecond)) // any moment will do
			least := c.least()
			c.asked.Add(1)
			header, body, err := fetchBody(address, format.accept, compressed)
			if err != nil {
				return fmt.Errorf("scraper %d: %w", i, err)
			}
			got, err := format.parse(header, body)
			if err != nil {
				return fmt.Errorf("scraper %d, %q: %w", i, format.accept, err)
			}
			c.answered.Add(1)
			for series, value := range least {
				if got[series].Value < value {
					c.faults.Add("scraper %d: %s is %v, and %v were acknowledged before", i, series, got[series].Value, value)
				}
			}
			for _, fault := range seen.Check(got.App()) {
				c.faults.Add("scraper %d: %s", i, fault)
			}
			return nil
		})
	}
}

// patient has the time that a busy machine takes.
var patient = &http.Client{Timeout: 3 * patience, Transport: &http.Transport{
	DisableKeepAlives: true, DisableCompression: true, // it would be undone where we cannot see it
}}

// look is a scrape by the test itself.
func (c *loadClients) look(t testing.TB) rig.Samples {
	t.Helper()
	c.asked.Add(1)
	header, body, err := fetchBody(c.url, "", false)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseText(header, body)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func fetchBody(address, accept string, compressed bool) (http.Header, []byte, error) {
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	if accept != "" {
		request.Header.Set("Accept", accept)
	}
	if compressed {
		request.Header.Set("Accept-Encoding", "gzip")
	}
	resp, err := patient.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	var body io.Reader = resp.Body
	if compressed {
		if body, err = gzip.NewReader(resp.Body); err != nil {
			return nil, nil, err
		}
	}
	b, err := io.ReadAll(body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, b)
	}
	return resp.Header, b, err
}

// dial makes a connection with a small receive buffer, so that the server notices
// who does not read, and sends the text.
func (c *loadClients) dial(text string) (*net.TCPConn, error) {
	address := strings.TrimSuffix(strings.TrimPrefix(c.url, "http://"), "/metrics")
	d := net.Dialer{Timeout: patience, Control: func(_, _ string, conn syscall.RawConn) error {
		var failed error
		err := conn.Control(func(fd uintptr) {
			failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
		})
		return errors.Join(err, failed)
	}}
	conn, err := d.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	_, err = io.WriteString(conn, text)
	return conn.(*net.TCPConn), err
}

const wholeRequest = "GET /metrics HTTP/1.1\r\nHost: promfold\r\nConnection: close\r\n\r\n"

// hangers start n clients that go away at any moment: at once, before the answer,
// in the middle of it; politely, or with a reset.
func (c *loadClients) hangers(n int) {
	c.start(n, func(rng *rand.Rand) error {
		conn, err := c.dial(wholeRequest)
		if err != nil {
			return err
		}
		c.asked.Add(1)
		switch rng.IntN(3) {
		case 0:
		case 1:
			time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
		default:
			_, _ = io.CopyN(io.Discard, conn, rng.Int64N(100_000))
		}
		if rng.IntN(2) == 0 {
			_ = conn.SetLinger(0)
		}
		c.hungUp.Add(1)
		return conn.Close()
	})
}

// slow starts n clients that take a few bytes of one answer per second.
func (c *loadClients) slow(n int) {
	c.start(n, func(*rand.Rand) error {
		conn, err := c.dial(wholeRequest)
		if err != nil {
			return err
		}
		defer conn.Close()
		c.asked.Add(1)
		if _, err := io.CopyN(io.Discard, conn, 16); err != nil {
			return err
		}
		c.stuck.Add(1)
		for err == nil && !c.stopping() { // until it is cut off, or at the end
			c.pause(time.Second)
			_, err = io.CopyN(io.Discard, conn, 8)
		}
		return nil
	})
}

// halves start n clients that send the half of a request and then nothing.
func (c *loadClients) halves(n int) {
	c.start(n, func(rng *rand.Rand) error {
		text := wholeRequest[:1+rng.IntN(len(wholeRequest)-2)]
		if rng.IntN(3) == 0 {
			text = "POST /metrics HTTP/1.1\r\nHost: promfold\r\nContent-Length: 1000\r\n\r\nhalf"
			c.asked.Add(1)
		}
		conn, err := c.dial(text)
		if err != nil {
			return err
		}
		defer conn.Close()
		c.pause(time.Duration(rng.IntN(1000)) * time.Millisecond)
		return nil
	})
}
