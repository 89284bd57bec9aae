//go:build linux

package main

import (
	"errors"
	"fmt"
	"time"
)

// redisCommands is what Redis is asked for the increments of 100 processes, 100 a
// second each.
type redisCommands struct{ commands, bytes *row }

func redisTraffic() *group {
	const of = ", for 10,000 increments a second of 100 processes on 10 hosts, against prometheus-distributed-client"
	r := &redisCommands{commands: &row{path: "Redis commands a second" + of}, bytes: &row{path: "bytes sent to Redis a second" + of}}
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
	l.say("  prometheus-distributed-client: %.0f increments/s, %.3f commands and %.0f bytes each", theirs.increments, theirs.commands, theirs.bytes)
	r.commands.set(figure(theirs.commands*redisRate, "/s"))
	r.bytes.set(figure(theirs.bytes*redisRate, "B/s"))
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
	return asked{float64(u.calls()) / float64(done), float64(u.received) / float64(done), float64(done) / d.Seconds()}, nil
}
