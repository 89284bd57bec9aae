//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/promfold/promfold/redisstore"
)

// redisCommands is what Redis is asked for the increments of 100 processes, 100 a
// second each.
type redisCommands struct{ commands, bytes *row }

func redisTraffic() *group {
	const of = " a second for 10,000 increments a second, of 100 processes on 10 hosts of 5,000 series, against prometheus-distributed-client"
	r := &redisCommands{commands: &row{path: "Redis commands" + of}, bytes: &row{path: "bytes sent to Redis" + of}}
	return &group{rows: []*row{r.commands, r.bytes}, run: r.run}
}

func (r *redisCommands) run(l *lab) error {
	server, err := l.redis()
	if err != nil {
		return err
	}
	defer server.close()
	theirs, err := l.askedByPDC(server, of(l, 10*time.Second, time.Second))
	if err != nil {
		return err
	}
	l.say("  prometheus-distributed-client: %.0f increments/s", theirs.increments)
	ours, err := l.askedByPublishers(server)
	if err != nil {
		return err
	}
	l.say("  promfold: %.0f increments/s", ours.increments)
	tell := func(row *row, ours, theirs float64) {
		row.set(outcome{
			value: theirs / ours, low: theirs / ours, high: theirs / ours, unit: "x",
			ours: number(ours*redisRate, "/s"), theirs: number(theirs*redisRate, "/s"),
		})
	}
	tell(r.commands, ours.commands, theirs.commands)
	tell(r.bytes, ours.bytes, theirs.bytes)
	return nil
}

const (
	redisRate = 10_000 // increments a second, of all processes
	// redisProcesses of the library are fewer: two cores have no room for 100
	// interpreters. Each takes the part of ten.
	redisProcesses = 10
)

// asked is what one side asks of Redis for each increment, and how many it made in
// a second.
type asked struct{ commands, bytes, increments float64 }

// askedByPDC counts with the library for a while. A small machine does not keep the
// pace, which is why what is asked is told for each increment.
func (l *lab) askedByPDC(server *redisServer, d time.Duration) (a asked, err error) {
	var all []*redisPython
	defer func() {
		for _, p := range all {
			err = errors.Join(err, p.end())
		}
	}()
	many := of(l, redisProcesses, 2)
	for range many {
		p, err := l.pdcProcess(server)
		if err != nil {
			return a, err
		}
		all = append(all, p)
		if _, err := p.inc(len(redisQueues)); err != nil { // has connected
			return a, err
		}
	}
	done := 0
	u, err := server.during(func() error {
		done, err = pacing(all, redisRate/many, d)
		return err
	})
	if err != nil {
		return a, err
	}
	e, err := all[0].samples()
	if err != nil {
		return a, err
	}
	if got, want := int(e.Sum("jobs_total")), done+many*len(redisQueues); got != want {
		return a, fmt.Errorf("prometheus-distributed-client exposes %d increments of %d", got, want)
	}
	return u.each(done, d), nil
}

// each is what was asked for each of so many increments.
func (u *usage) each(done int, d time.Duration) asked {
	return asked{float64(u.calls()) / float64(done), float64(u.received) / float64(done), float64(done) / d.Seconds()}
}

// askedByPublishers counts on hosts that publish as often as they do by default, for
// some such intervals.
func (l *lab) askedByPublishers(server *redisServer) (a asked, err error) {
	client := server.connected()
	defer func() { err = errors.Join(err, client.Close()) }()
	var hosts []*redisHost
	defer func() {
		for _, h := range hosts {
			err = errors.Join(err, h.close())
		}
	}()
	interval := of(l, redisstore.DefaultInterval, 200*time.Millisecond)
	m := newModel(of(l, host5000, smallHost))
	for range of(l, 10, 2) {
		h, err := l.host(m, of(l, 10, 2))
		if err != nil {
			return a, err
		}
		hosts = append(hosts, h)
	}
	var all []*redisHere
	for i, h := range hosts {
		if err := h.begin(client, fmt.Sprintf("host-%d", i), interval); err != nil {
			return a, err
		}
		all = append(all, h.processes...)
	}
	done := 0
	u, err := server.during(func() (err error) {
		done, err = paced(all, 3*interval)
		return err
	})
	if err != nil {
		return a, err
	}
	for _, h := range hosts {
		if err := h.publisher.Flush(context.Background()); err != nil {
			return a, err
		}
	}
	fleet, err := l.fleet(server, redisstore.DefaultNamespace)
	if err != nil {
		return a, err
	}
	defer fleet.close()
	return u.each(done, 3*interval), fleet.await("jobs_total", done+len(all)*len(redisQueues))
}

// paced lets processes increment each of their counters in turn, at the rate of all.
func paced(all []*redisHere, d time.Duration) (done int, err error) {
	for began := time.Now(); ; {
		passed := time.Since(began)
		if passed >= d {
			return done, nil
		}
		early := time.Duration(done)*time.Second/redisRate - passed
		if early > 0 {
			time.Sleep(early)
			continue
		}
		if _, err := all[done/len(redisQueues)%len(all)].inc(len(redisQueues)); err != nil {
			return done, err
		}
		done += len(redisQueues)
	}
}
