//go:build linux

package main

import (
	"testing"
	"time"
)

// Property: a turn of two goroutines counts only if they ran at the same time for
// nine tenths of it and each had a processor all along; it took as long as the
// longer of them.
func TestContended(t *testing.T) {
	zero := time.Now()
	at := func(began, ended, onCPU int) span {
		ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
		return span{zero.Add(ms(began)), zero.Add(ms(ended)), ms(onCPU)}
	}
	for name, one := range map[string]struct {
		a, b   span
		counts bool
	}{
		"at the same time":          {at(0, 100, 100), at(0, 100, 100), true},
		"nearly":                    {at(0, 97, 97), at(3, 100, 97), true},
		"one began late":            {at(0, 88, 88), at(12, 100, 88), false},
		"one ended early":           {at(0, 80, 80), at(0, 100, 100), false},
		"one after the other":       {at(0, 50, 50), at(50, 100, 50), false},
		"with a pause between them": {at(0, 40, 40), at(60, 100, 40), false},
		"sharing a core":            {at(0, 100, 50), at(0, 100, 50), false},
		"a core for one alone":      {at(0, 100, 100), at(0, 100, 80), false},
	} {
		for _, spans := range [][]span{{one.a, one.b}, {one.b, one.a}} {
			took, counts := contended(spans)
			if counts != one.counts {
				t.Errorf("%s: counts: %v", name, counts)
			}
			if longest := max(one.a.ended.Sub(one.a.began), one.b.ended.Sub(one.b.began)); took != longest {
				t.Errorf("%s: took %v, want %v", name, took, longest)
			}
		}
	}
}

// Property: turns that do not count leave no figure: a side without any makes the
// race fail, and of a side that has some only those are picked from.
func TestRaceLeavesOut(t *testing.T) {
	n := 0
	sometimes := func(int) (time.Duration, bool) {
		n++
		return time.Duration(n), n%2 == 0 // 2 and 4 of five
	}
	never := func(int) (time.Duration, bool) { return 1, false }
	if picked, ok := race(1, fastest, sometimes); !ok || picked[0] != 2 {
		t.Errorf("picked %v, %v, want the fastest of those that count", picked, ok)
	}
	if picked, ok := race(1, fastest, never, alone(func(int) {})); ok {
		t.Errorf("picked %v of turns that do not count", picked)
	}
}
