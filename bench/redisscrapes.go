//go:build linux

package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

// fleetScrapes is what a scrape of many hosts takes. A host has one process of
// client_python, of whose files there is a second directory with all hosts', so that
// client_python itself says what the fleet comes to.
type fleetScrapes struct {
	cold, same, some, all *row
	pdc                   *row // may be nil
	uneven                bool // the hosts have not the same series

	colds, sames, somes, alls fetches
	sets                      []*fileSet
	hosts                     []*redisHost
	size                      size
	round                     int
}

// someHosts is how many have counted since the last scrape where not all have.
const someHosts = 10

func fleetsOf100() []*group {
	const path = "fleet scrape, 100 hosts x 5,000 series, "
	bounded := func(what string) *row { return &row{path: path + what, goal: "at most 150 ms", atMost: 150} }
	alike := &fleetScrapes{
		same: bounded("nothing changed since the last"), some: bounded("all values of 10 hosts changed since the last"),
		all:  bounded("all values of all hosts changed since the last"),
		cold: &row{path: path + "cold"},
		pdc:  &row{path: "time for each sample in Redis, of a fleet scrape with all values changed against prometheus-distributed-client's exposition of 5,000 counters"},
	}
	const other = "other series on each host, "
	uneven := &fleetScrapes{
		uneven: true,
		same:   bounded(other + "nothing changed since the last"), some: bounded(other + "all values of 10 hosts changed since the last"),
		all:  bounded(other + "all values of all hosts changed since the last"),
		cold: &row{path: path + other + "cold"},
	}
	return []*group{
		{rows: []*row{alike.same, alike.some, alike.all, alike.cold, alike.pdc}, run: alike.run},
		{rows: []*row{uneven.same, uneven.some, uneven.all, uneven.cold}, run: uneven.run},
	}
}

func (s *fleetScrapes) run(l *lab) (err error) {
	server, err := l.redis()
	if err != nil {
		return err
	}
	defer server.close()
	together, err := l.directory()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(), os.RemoveAll(together)) }()
	if err := s.begin(l, server, together); err != nil {
		return err
	}
	truth, err := l.clientPython(together)
	if err != nil {
		return err
	}
	defer func() { _, _ = truth.close() }() // an answer that did not come was an error before
	fleet, err := l.fleet(server, "default")
	if err != nil {
		return err
	}
	defer fleet.close()
	if err := fleetSame(truth.samples, fleet.samples); err != nil {
		return err
	}
	for range of(l, 7, 2) {
		if err := s.measure(l, server, fleet, truth.samples); err != nil {
			return err
		}
	}
	s.same.set(s.sames.outcome())
	s.some.set(s.somes.outcome())
	s.all.set(s.alls.outcome())
	s.cold.set(s.colds.outcome())
	if s.pdc == nil {
		return nil
	}
	return s.besidePDC(l, server)
}

// begin makes the hosts, all of which publish when they are told to.
func (s *fleetScrapes) begin(l *lab, server *redisServer, together string) error {
	s.size = of(l, fleetHost, smallHost)
	client := server.connected()
	for p := range of(l, 100, 4) {
		dir, err := l.directory()
		if err != nil {
			return err
		}
		set := newFileSet(dir, pythonLayout, newModel(s.sizeOf(p)))
		if len(s.sets) > 0 && !s.uneven {
			set.images = s.sets[0].images // which are large
		}
		s.sets = append(s.sets, set)
		if err := set.live(p, p+1); err != nil {
			return err
		}
		for _, f := range set.held[p] {
			if err := os.Link(f.Name(), filepath.Join(together, filepath.Base(f.Name()))); err != nil {
				return err
			}
		}
		h := hostOf(dir)
		s.hosts = append(s.hosts, h)
		if err := h.begin(client, fmt.Sprintf("host-%03d", p), time.Hour); err != nil {
			return err
		}
	}
	return nil
}

// sizeOf is what a host has. Of uneven ones no two of a hundred have as many counters.
// 37 and 101 have no common divisor.
func (s *fleetScrapes) sizeOf(host int) size {
	z := s.size
	if s.uneven {
		z.counters += host*37%101 - 50
	}
	return z
}

func (s *fleetScrapes) close() error {
	var errs []error
	for i, h := range s.hosts {
		errs = append(errs, h.close(), s.sets[i].Close())
	}
	return errors.Join(errs...)
}

// change gives the values of some hosts another round, and publishes them.
func (s *fleetScrapes) change(hosts int) error {
	s.round++
	for i := range min(hosts, len(s.hosts)) {
		if err := errors.Join(s.sets[i].change(s.round), s.hosts[i].flush("values")); err != nil {
			return err
		}
	}
	return nil
}

// measure is one round of all scrapes.
func (s *fleetScrapes) measure(l *lab, server *redisServer, fleet *redisFleet, truth answerer) error {
	for _, one := range []struct {
		times *fetches
		hosts int
	}{{&s.alls, len(s.hosts)}, {&s.somes, someHosts}, {&s.sames, 0}} {
		if err := s.change(one.hosts); err != nil {
			return err
		}
		if err := one.times.add(server, fleet.scrape); err != nil {
			return err
		}
		if one.hosts > 0 {
			if err := fleetSame(truth, fleet.last); err != nil {
				return err
			}
		}
	}
	fresh, err := l.fleet(server, "default")
	if err != nil {
		return err
	}
	defer fresh.close()
	if err := s.colds.add(server, fresh.scrape); err != nil {
		return err
	}
	return fleetSame(fleet.samples, fresh.last)
}

// fleetSame compares without the label that tells hosts apart, which gauges of mode all
// have.
func fleetSame(truth, fleet answerer) error {
	return same("fleet scrape", hostless(truth), hostless(fleet))
}

func hostless(of answerer) answerer {
	return func() (*exposition, error) {
		e, err := of()
		if err != nil {
			return nil, err
		}
		without := make(rig.Samples)
		for _, one := range e.Samples {
			one.Labels = maps.Clone(one.Labels)
			delete(one.Labels, "host")
			without[rig.Series(one.Name, one.Labels)] = one
		}
		if len(without) != len(e.Samples) {
			return nil, errors.New("two hosts' gauges have the same labels but for the host")
		}
		return &exposition{without, e.types}, nil
	}
}

// besidePDC compares times for each sample: of the library's exposition, in its own
// process and without HTTP, and of a scrape that had to fetch everything.
func (s *fleetScrapes) besidePDC(l *lab, server *redisServer) (err error) {
	p, err := l.pdcProcess(server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.end()) }()
	if err := p.fill(of(l, 5000, 50)); err != nil {
		return err
	}
	e, err := p.peer.samples()
	if err != nil {
		return err
	}
	theirs := len(e.Samples) // when they were created, too
	ours := len(s.sets) * s.size.samples()
	times := &pairs{}
	for _, took := range s.alls.times {
		merged, err := p.merge()
		if err != nil {
			return err
		}
		times.add(took*1000/time.Duration(ours), merged*1000/time.Duration(theirs))
	}
	times.each = 1000
	s.pdc.set(times.faster())
	return nil
}

// fetches are times of scrapes, and what they fetched from Redis.
type fetches struct {
	times []time.Duration
	bytes []int64
}

func (f *fetches) add(server *redisServer, scrape func() (time.Duration, error)) error {
	var took time.Duration
	u, err := server.during(func() (err error) {
		took, err = scrape()
		return err
	})
	if err == nil {
		f.times, f.bytes = append(f.times, took), append(f.bytes, u.sent)
	}
	return err
}

func (f *fetches) outcome() outcome {
	ms := func(d time.Duration) float64 { return d.Seconds() * 1000 }
	return outcome{
		value: ms(median(f.times)), low: ms(slices.Min(f.times)), high: ms(slices.Max(f.times)), unit: "ms",
		ours: megabytes(median(f.bytes)) + " fetched",
	}
}
