//go:build linux

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"

	"github.com/promfold/promfold/hermes"
)

// hermesBurst is how many datagrams of one burst are lost, and what those cost that
// are not.
type hermesBurst struct {
	row   *row
	cost  *row
	flags []string // of our side
}

// smallBuffer is the receive buffer of a process that may not ask for more, as
// most systems have it. The kernel doubles it.
const smallBuffer = 212_992

func hermesBursts() []*group {
	var all []*group
	for _, b := range []*hermesBurst{
		{row: &row{
			path: "Hermes datagrams lost of bursts of 200,000, as fast as one sender can, beside Hermes' approach",
			goal: "none", atMost: 1e-9,
		}, cost: &row{
			path: "Hermes datagrams by processor time, those of the bursts, against Hermes' approach",
			goal: "at least 8 x", atLeast: 8,
		}},
		{
			row:   &row{path: "Hermes datagrams lost of the same bursts, with the receive buffer of a process without privileges (208 KiB, rmem_max of most systems)"},
			cost:  &row{path: "Hermes datagrams by processor time, those of the bursts with that buffer, against Hermes' approach"},
			flags: []string{fmt.Sprintf("--hermes.receive-buffer=%d", smallBuffer)},
		},
	} {
		all = append(all, &group{rows: []*row{b.row, b.cost}, run: b.run})
	}
	return all
}

func (b *hermesBurst) run(l *lab) (err error) {
	ours, err := l.ourHermes("mix", b.flags...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.close()) }()
	theirs, err := l.theirHermes("mix", 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, theirs.close()) }()
	size := of(l, 200_000, 1000)
	var lost, theyLost []int
	p := &pairs{}
	for range l.pairs() {
		n, each, err := ours.burst(size)
		if err != nil {
			return err
		}
		m, theirEach, err := theirs.burst(size)
		if err != nil {
			return err
		}
		lost, theyLost = append(lost, n), append(theyLost, m)
		p.add(each, theirEach)
	}
	if err := ours.showsAll(b.row.path, "mix"); err != nil {
		return err
	}
	b.cost.set(p.faster())
	percent := func(n int) float64 { return 100 * float64(n) / float64(size) }
	b.row.set(outcome{
		value: percent(median(lost)), low: percent(slices.Min(lost)), high: percent(slices.Max(lost)), unit: "%",
		ours: fmt.Sprint(median(lost)), theirs: fmt.Sprint(median(theyLost)),
	})
	return nil
}

// showsAll fails unless the families show what was sent of a shape, where none of it was
// lost: as the peer does that counts the same in this process.
func (s *hermesSide) showsAll(what, shape string) error {
	if s.lost > 0 {
		return nil // nobody knows which
	}
	c, err := hermes.ParseConfig([]byte(hermesConfig))
	if err != nil {
		return err
	}
	p := newHermesPeer(c)
	all := hermesDatagrams(shape)
	for i := range s.sent {
		if !p.count(all[i%len(all)]) {
			return fmt.Errorf("%s: %s does not count", what, all[i%len(all)])
		}
	}
	return same(what, p.samples, s.samples)
}

// samples is what the peer exposes.
func (p *hermesPeer) samples() (*exposition, error) {
	families, err := p.registry.Gather()
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			return nil, err
		}
	}
	return parse(text.String())
}

// burst sends so many datagrams at once. It returns how many were lost, and the
// processor time of one that was not.
func (s *hermesSide) burst(n int) (lost int, each time.Duration, err error) {
	missing := s.lost
	before, err := s.processorTime()
	if err != nil {
		return 0, 0, err
	}
	if err := s.send(n); err != nil {
		return 0, 0, err
	}
	if err := s.drained(); err != nil {
		return 0, 0, err
	}
	after, err := s.processorTime()
	if err != nil {
		return 0, 0, err
	}
	if err := s.settle(); err != nil {
		return 0, 0, err
	}
	lost = s.lost - missing
	if lost == n {
		return 0, 0, errors.New("none of the datagrams was counted")
	}
	return lost, (after - before) / time.Duration(n-lost), nil
}
