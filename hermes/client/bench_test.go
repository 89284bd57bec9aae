package client

import (
	"encoding/json"
	"net"
	"testing"
	"time"
)

var benchLabels = map[string]string{"queue": "mail", "host": "worker-17"}

// readAll reads whatever comes, so that a unix socket has room.
func readAll(b *testing.B, p *peer) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 2048)
		for {
			if _, _, err := p.conn.ReadFrom(buf); err != nil {
				return
			}
		}
	}()
	b.Cleanup(func() { p.conn.Close(); <-done })
}

func benchmarkCounter(b *testing.B, c *Client) {
	b.ReportAllocs()
	for b.Loop() {
		c.IncrementCounter("jobs_total", benchLabels)
	}
	b.StopTimer()
	b.ReportMetric(float64(c.Stats().Dropped)/float64(b.N), "dropped/op")
}

// The receiver does not read: what is measured is the sender.
func BenchmarkIncrementCounter(b *testing.B) {
	b.Run("udp", func(b *testing.B) { benchmarkCounter(b, client(b, udpPeer(b, "127.0.0.1:0").addr, Options{})) })
	b.Run("unixgram", func(b *testing.B) {
		p := unixPeer(b, socketPath(b))
		readAll(b, p)
		benchmarkCounter(b, client(b, p.addr, Options{}))
	})
	b.Run("queued", func(b *testing.B) {
		benchmarkCounter(b, client(b, udpPeer(b, "127.0.0.1:0").addr, Options{Queue: 1 << 16}))
	})
}

// What a call costs an application that has something else to do in between:
// a goroutine that sleeps meanwhile is dear to wake.
func BenchmarkPaced(b *testing.B) {
	for name, o := range map[string]Options{
		"direct":        {},
		"queued":        {Queue: 1 << 16},
		"queued, woken": {Queue: 1 << 16, FlushInterval: 1},
	} {
		b.Run(name, func(b *testing.B) {
			c := client(b, udpPeer(b, "127.0.0.1:0").addr, o)
			var calls time.Duration
			for b.Loop() {
				for start := time.Now(); time.Since(start) < 500*time.Microsecond; {
					continue
				}
				start := time.Now()
				c.IncrementCounter("jobs_total", benchLabels)
				calls += time.Since(start)
			}
			b.ReportMetric(float64(calls)/float64(b.N), "ns/call")
		})
	}
}

// Each call is flushed in its turn with many others: the whole cost, that of the
// goroutine with it.
func BenchmarkQueueAndFlush(b *testing.B) {
	const burst = 1000
	c := client(b, udpPeer(b, "127.0.0.1:0").addr, Options{Queue: burst})
	b.ReportAllocs()
	for n := 0; n < b.N; n += burst {
		for range burst {
			c.IncrementCounter("jobs_total", benchLabels)
		}
		flush(b, c)
	}
	if s := c.Stats(); s.Dropped > 0 {
		b.Error(s)
	}
}

func BenchmarkIncrementCounterParallel(b *testing.B) {
	for name, o := range map[string]Options{"direct": {}, "queued": {Queue: 1 << 16}} {
		b.Run(name, func(b *testing.B) {
			c := client(b, udpPeer(b, "127.0.0.1:0").addr, o)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					c.IncrementCounter("jobs_total", benchLabels)
				}
			})
			b.ReportMetric(float64(c.Stats().Dropped)/float64(b.N), "dropped/op")
		})
	}
}

// What Hermes' client does for each packet: dial, encode, write, close.
func BenchmarkDialPerPacket(b *testing.B) {
	addr := udpPeer(b, "127.0.0.1:0").conn.LocalAddr().String()
	b.ReportAllocs()
	for b.Loop() {
		conn, err := net.Dial("udp", addr)
		if err != nil {
			b.Fatal(err)
		}
		packet, err := json.Marshal(model[counterModel]{"jobs_total", counterModel{Labels: benchLabels}})
		if err != nil {
			b.Fatal(err)
		}
		conn.Write(packet)
		conn.Close()
	}
}

func BenchmarkEncode(b *testing.B) {
	c := &Client{}
	p := c.take()
	b.ReportAllocs()
	for b.Loop() {
		p.buf = p.buf[:0]
		p.open("jobs_total")
		p.close(benchLabels)
	}
}
