//go:build linux

package main

import (
	"errors"
	"fmt"
	"time"
)

const (
	// hermesRound is how many datagrams wait when a side is let go. With fewer, more
	// of its time is that of beginning.
	hermesRound = 16_000
	// hermesBuffer is the receive buffer that both sides are given, which the kernel
	// doubles. It counts up to 1,300 bytes for a datagram.
	hermesBuffer = 16 << 20
	hermesRounds = 3      // of one measurement
	hermesFirst  = 10_000 // before anything is timed
)

// hermesSpeed is what datagrams cost: the processor time of the process that
// receives them, user and system.
type hermesSpeed struct {
	row   *row
	shape string
}

func hermesSpeeds() []*group {
	named := func(what string) *row { return &row{path: "Hermes datagrams by processor time, " + what} }
	mix := named("half counters, a quarter gauges, a quarter histograms, against Hermes' approach")
	mix.goal, mix.atLeast = "at least 8 x", 8
	var all []*group
	for _, h := range []*hermesSpeed{
		{mix, "mix"}, {named("counters alone"), "counters"}, {named("histograms alone"), "histograms"},
	} {
		all = append(all, &group{rows: []*row{h.row}, run: h.run, profile: h.profile})
	}
	return all
}

func (h *hermesSpeed) run(l *lab) (err error) {
	ours, err := l.ourHermes(h.shape, fmt.Sprintf("--hermes.receive-buffer=%d", hermesBuffer))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.close()) }()
	theirs, err := l.theirHermes(h.shape, hermesBuffer)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, theirs.close()) }()
	if err := errors.Join(ours.feed(hermesFirst), theirs.feed(hermesFirst)); err != nil {
		return err
	}
	if err := same(h.row.path, theirs.samples, ours.samples); err != nil {
		return err
	}
	p := &pairs{}
	for range of(l, 9, 2) {
		a, err := ours.each(l)
		if err != nil {
			return err
		}
		b, err := theirs.each(l)
		if err != nil {
			return err
		}
		p.add(a, b)
	}
	o := p.faster()
	if o.ours, err = ours.tell(median(p.ours)); err != nil {
		return err
	}
	if o.theirs, err = theirs.tell(median(p.theirs)); err != nil {
		return err
	}
	h.row.set(o)
	if ours.lost > 0 || theirs.lost > 0 {
		l.say("  datagrams were lost, so that the answers are not compared again")
		return nil
	}
	return same(h.row.path, theirs.last, ours.last)
}

// each is the processor time of one datagram that was counted, of some rounds.
func (s *hermesSide) each(l *lab) (time.Duration, error) {
	before := s.accepted
	var took time.Duration
	for range of(l, hermesRounds, 1) {
		d, err := s.take(of(l, hermesRound, 100))
		if err != nil {
			return 0, err
		}
		took += d
	}
	if err := s.settle(); err != nil {
		return 0, err
	}
	if s.accepted == before {
		return 0, errors.New("none of the datagrams was counted")
	}
	return took / time.Duration(s.accepted-before), nil
}

// tell is how many datagrams a core takes in a second, and how many were lost of
// all that were sent.
func (s *hermesSide) tell(each time.Duration) (string, error) {
	if err := s.settle(); err != nil {
		return "", err
	}
	return fmt.Sprintf("%.0f/s and core, %d of %d lost", 1/each.Seconds(), s.lost, s.sent), nil
}

// profile lets a listener in this process take datagrams as they come.
func (h *hermesSpeed) profile(l *lab) (err error) {
	listener, err := l.listenHere()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, listener.close()) }()
	sender, err := l.sendTo(listener.address, h.shape)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sender.close()) }()
	var failed error
	return errors.Join(l.profiled(h.row.path, l.repeatedly(func() {
		failed = errors.Join(failed, sender.send(1000))
	})), failed)
}
