//go:build linux

package main

import "testing"

// Property: hosts have as many samples as the rows say, the counters of jobs among
// them.
func TestRedisHostSizes(t *testing.T) {
	jobs := len(redisQueues)
	for want, got := range map[int]int{2000: host2000.samples() + jobs, 5000: host5000.samples() + jobs} {
		if got != want {
			t.Errorf("a host has %d samples, want %d", got, want)
		}
	}
	if got := fleetHost.samples(); got != 5000 {
		t.Errorf("a host of the fleet has %d samples, want 5000", got)
	}
}

// Property: no two of the uneven hosts have the same series, and they have 5,000 on the
// average.
func TestUnevenHosts(t *testing.T) {
	s := &fleetScrapes{uneven: true, size: fleetHost}
	hosts, total := make(map[int]bool), 0
	for host := range 100 {
		n := s.sizeOf(host).samples()
		hosts[n] = true
		total += n
	}
	if len(hosts) != 100 || total/100 < 4990 || total/100 > 5010 {
		t.Errorf("%d sizes, %d series a host", len(hosts), total/100)
	}
}

// Property: expositions of hosts that differ in the label host alone are the same
// without it, and two series that it alone tells apart are not made one.
func TestHostless(t *testing.T) {
	read := func(text string) answerer {
		return func() (*exposition, error) { return parse(text) }
	}
	const with = "# TYPE busy gauge\nbusy{host=\"a\",pid=\"1\"} 1\nbusy{host=\"b\",pid=\"2\"} 2\n"
	const without = "# TYPE busy gauge\nbusy{pid=\"1\"} 1\nbusy{pid=\"2\"} 2\n"
	if err := fleetSame(read(without), read(with)); err != nil {
		t.Error(err)
	}
	const other = "# TYPE busy gauge\nbusy{pid=\"1\"} 1\nbusy{pid=\"2\"} 3\n"
	if err := fleetSame(read(other), read(with)); err == nil {
		t.Error("another value passes for the same")
	}
	const clash = "# TYPE busy gauge\nbusy{host=\"a\",pid=\"1\"} 1\nbusy{host=\"b\",pid=\"1\"} 1\n"
	if _, err := hostless(read(clash))(); err == nil {
		t.Error("two hosts' series became one")
	}
}
