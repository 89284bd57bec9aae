//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/hermes"
	"github.com/promfold/promfold/mmapstore"
)

// hermesPeer counts datagrams as Hermes does, with the standard library and
// client_golang: each is read by a call of its own and decoded twice, and the labels
// of its metric are looked up by name. It logs nothing, which Hermes does for each
// datagram. What makes Hermes panic makes this one panic.
type hermesPeer struct {
	registry *prometheus.Registry
	counted  prometheus.Counter
	metrics  map[string]*peerMetric
}

// peerMetric is one metric of the configuration, of one type.
type peerMetric struct {
	labels   []string
	counter  *prometheus.CounterVec
	gauge    *prometheus.GaugeVec
	observer prometheus.ObserverVec
}

// What follows are the datagram and, by the type of its metric, its payload.
type (
	peerPacket struct {
		MetricName string `json:"metric_name"`
		Payload    any    `json:"payload"`
	}
	peerCounter struct {
		Labels map[string]string `json:"labels"`
	}
	peerGauge struct {
		Labels    map[string]string `json:"labels"`
		Operation string            `json:"operation"`
		Value     *float64          `json:"value"`
	}
	peerObserver struct {
		Labels      map[string]string `json:"labels"`
		Observation float64           `json:"observation"`
	}
)

func newHermesPeer(c *hermes.Config) *hermesPeer {
	p := &hermesPeer{
		registry: prometheus.NewRegistry(), metrics: make(map[string]*peerMetric),
		counted: prometheus.NewCounter(prometheus.CounterOpts{Name: hermesAccepted, Help: "Datagrams that were counted."}),
	}
	p.registry.MustRegister(p.counted)
	for _, m := range c.Metrics {
		one := &peerMetric{labels: m.Labels}
		switch m.Type {
		case mmapstore.Counter:
			one.counter = prometheus.NewCounterVec(prometheus.CounterOpts{Name: m.Name, Help: m.Help}, m.Labels)
			p.registry.MustRegister(one.counter)
		case mmapstore.Gauge:
			one.gauge = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: m.Name, Help: m.Help}, m.Labels)
			p.registry.MustRegister(one.gauge)
		case mmapstore.Histogram:
			vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: m.Name, Help: m.Help}, m.Labels)
			p.registry.MustRegister(vec)
			one.observer = vec
		case mmapstore.Summary:
			vec := prometheus.NewSummaryVec(prometheus.SummaryOpts{Name: m.Name, Help: m.Help}, m.Labels)
			p.registry.MustRegister(vec)
			one.observer = vec
		}
		p.metrics[m.Name] = one
	}
	return p
}

// peerBuffer is how much of a datagram Hermes reads.
const peerBuffer = 2048

// receive counts what comes on a socket.
func (p *hermesPeer) receive(conn *net.UDPConn) error {
	buffer := make([]byte, peerBuffer)
	for {
		n, _, err := conn.ReadFromUDP(buffer)
		if err != nil {
			return err
		}
		if p.count(buffer[:n]) {
			p.counted.Inc()
		}
	}
}

// count reports whether a datagram has changed a metric.
func (p *hermesPeer) count(datagram []byte) bool {
	var packet peerPacket
	if json.Unmarshal(datagram, &packet) != nil {
		return false
	}
	m, ok := p.metrics[packet.MetricName]
	if !ok {
		return false
	}
	payload, err := json.Marshal(packet.Payload)
	if err != nil {
		return false
	}
	switch {
	case m.counter != nil:
		return m.increment(payload)
	case m.gauge != nil:
		return m.change(payload)
	default:
		return m.observe(payload)
	}
}

func (m *peerMetric) increment(payload []byte) bool {
	var c peerCounter
	if json.Unmarshal(payload, &c) != nil {
		return false
	}
	labels, ok := m.match(c.Labels)
	if ok {
		m.counter.With(labels).Inc()
	}
	return ok
}

func (m *peerMetric) change(payload []byte) bool {
	var g peerGauge
	if json.Unmarshal(payload, &g) != nil {
		return false
	}
	labels, ok := m.match(g.Labels)
	if !ok {
		return false
	}
	switch g.Operation {
	case "increment":
		m.gauge.With(labels).Inc()
	case "decrement":
		m.gauge.With(labels).Dec()
	case "set":
		if g.Value == nil {
			return false
		}
		m.gauge.With(labels).Set(*g.Value)
	default:
		return false
	}
	return true
}

func (m *peerMetric) observe(payload []byte) bool {
	var o peerObserver
	if json.Unmarshal(payload, &o) != nil {
		return false
	}
	labels, ok := m.match(o.Labels)
	if ok {
		m.observer.With(labels).Observe(o.Observation)
	}
	return ok
}

// match refuses labels that the metric does not have. One that is missing is for
// With to find, which panics.
func (m *peerMetric) match(given map[string]string) (prometheus.Labels, bool) {
	for name := range given {
		if !slices.Contains(m.labels, name) {
			return nil, false
		}
	}
	labels := make(prometheus.Labels)
	for _, name := range m.labels {
		if value, ok := given[name]; ok {
			labels[name] = value
		}
	}
	return labels, true
}

// serveHermesPeer is a process of the peer. Its arguments are the configuration and
// how many bytes of receive buffer to ask for, 0 for what the system gives. It prints
// where it receives and where it is scraped, and ends with its standard input.
func serveHermesPeer(args []string) error {
	c, err := hermes.LoadConfig(args[0])
	if err != nil {
		return err
	}
	buffer, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	if buffer > 0 {
		if err := forceBuffer(conn, buffer); err != nil {
			return err
		}
	}
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	p := newHermesPeer(c)
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(p.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/-/healthy", func(http.ResponseWriter, *http.Request) {})
	ended := make(chan error, 3)
	go func() { ended <- p.receive(conn) }()
	go func() { ended <- http.Serve(web, mux) }() //nolint:gosec // G114: the suite alone asks
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		ended <- err
	}()
	fmt.Println(conn.LocalAddr(), web.Addr())
	return <-ended
}

// forceBuffer asks for a receive buffer beyond the system's limit, if we may, and
// else up to it.
func forceBuffer(conn *net.UDPConn, bytes int) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes)
	})
	if err == nil && failed != nil {
		err = conn.SetReadBuffer(bytes)
	}
	return err
}
