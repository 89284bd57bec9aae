//go:build unix

package hermes

import (
	"testing"

	"github.com/promfold/promfold/hermes/client"
)

// Property: what the Go client is called with is what is exposed, over UDP and over a
// unix socket, sent at once or through its queue.
func TestClient(t *testing.T) {
	for name, o := range map[string]client.Options{"at once": {}, "queued": {Queue: 100}} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, Options{CounterAmounts: true, Addresses: []string{"127.0.0.1:0", "unixgram://" + t.TempDir() + "/s"}})
			for i, scheme := range []string{"udp://", "unixgram://"} {
				c, err := client.NewClient(scheme+s.sockets[i].local.String(), o)
				if err != nil {
					t.Fatal(err)
				}
				callAll(t, c)
				if err := c.Flush(t.Context()); err != nil {
					t.Error(err)
				}
				s.pump()
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
			s.checkTally(map[reason]int{accepted: 16})
			wants(t, "of two clients", s.samples(), map[string]string{
				`fx_jobs_total{queue="<é\"\n>"}`:       "7", // 1 + 2.5, twice
				"fx_plain_total":                       "2",
				"fx_plain_gauge":                       "54",
				`fx_depth{host="h",queue=""}`:          "2",
				`fx_latency_seconds_sum{queue="mail"}`: "0.5", `fx_latency_seconds_count{queue="mail"}`: "2",
				`fx_size_bytes_sum{queue="mail"}`: "10", `fx_size_bytes_count{queue="mail"}`: "2",
			})
		})
	}
}

// callAll makes each of the client's calls.
func callAll(t *testing.T, c *client.Client) {
	t.Helper()
	odd, mail := map[string]string{"queue": "<é\"\n>"}, map[string]string{"queue": "mail"}
	depth := map[string]string{"queue": "", "host": "h"}
	for _, err := range []error{
		c.IncrementCounter("fx_jobs_total", odd), c.AddCounter("fx_jobs_total", odd, 2.5), c.IncrementCounter("fx_plain_total", nil),
		c.SetGauge("fx_plain_gauge", nil, 55), c.DecrementGauge("fx_plain_gauge", nil), c.IncrementGauge("fx_depth", depth),
		c.ObserveHistogram("fx_latency_seconds", mail, 0.25), c.ObserveSummary("fx_size_bytes", mail, 5),
	} {
		if err != nil {
			t.Error(err)
		}
	}
}
