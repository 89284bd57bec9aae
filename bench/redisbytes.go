//go:build linux

package main

import (
	"errors"
	"fmt"
	"time"
)

// redisBytes is what Redis receives of a publication.
type redisBytes struct {
	size                       size
	first, all, few, heartbeat *row
}

// few is how many values of a host change in an interval when it hardly works.
const few = 10

// What hosts count, beside the 20 counters of jobs that some have.
var (
	host2000  = size{counters: 576, wide: 52, narrow: 32, all: 2, livesum: 38}
	host5000  = size{counters: 1470, wide: 130, narrow: 80, all: 4, livesum: 96}
	fleetHost = size{counters: 1490, wide: 130, narrow: 80, all: 4, livesum: 96}
	// smallHost is for runs that only show that all of it works.
	smallHost = size{counters: 60, wide: 5, narrow: 3, all: 1, livesum: 4}
)

// samples is how many are exposed: buckets, sum and count of a histogram each are one.
func (s size) samples() int {
	return s.counters + s.wide*(len(wideBounds)+3) + s.narrow*(len(narrowBounds)+3) + s.all + s.livesum
}

func redisSizes() []*group {
	var all []*group
	for i, s := range []size{host2000, host5000} {
		named := func(what string) *row {
			return &row{path: fmt.Sprintf("bytes sent to Redis for a publication of %d,000 series, %s", []int{2, 5}[i], what)}
		}
		b := &redisBytes{
			size: s, first: named("the first"), all: named("all values changed"),
			few: named("10 values changed"), heartbeat: named("nothing changed"),
		}
		all = append(all, &group{rows: []*row{b.first, b.all, b.few, b.heartbeat}, run: b.run})
	}
	return all
}

func (b *redisBytes) run(l *lab) (err error) {
	server, err := l.redis()
	if err != nil {
		return err
	}
	defer server.close()
	client := server.connected()
	defer func() { _ = client.Close() }()
	m := newModel(of(l, b.size, smallHost))
	other, err := l.host(m, 1) // so that there is a connection, and Redis knows the script
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, other.close()) }()
	if err := other.begin(client, "other", time.Hour); err != nil {
		return err
	}
	h, err := l.host(m, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	for _, one := range []struct {
		row *row
		do  func() error
	}{
		{b.first, func() error { return h.begin(client, "host", time.Hour) }},
		{b.all, func() error { h.processes[0].change(); return h.flush("values") }},
		{b.few, func() error {
			if _, err := h.processes[0].inc(few); err != nil {
				return err
			}
			return h.flush("values")
		}},
		{b.heartbeat, func() error { return h.flush("heartbeat") }},
	} {
		u, err := server.during(one.do)
		if err != nil {
			return err
		}
		one.row.set(figure(float64(u.received), "B"))
	}
	return nil
}
