package mmapstore

import (
	"io"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

const countingGoroutines = 4

// countAndAcknowledge counts in several goroutines, each in a series of its own
// and in one that they share, and says one byte for each increment that
// returned. New series come all the time.
func countAndAcknowledge() {
	w := must(Create(os.Args[1], WriterOptions{}))
	f := must(w.AddFamily(counterFamily))
	shared := must(w.AddSeries(f, "", time.Now()))
	os.Stdout.WriteString(w.Path() + "\n")
	for g := range byte(countingGoroutines) {
		go func() {
			var own Slot
			for n := 0; ; n++ {
				if n%100 == 0 {
					labels := must(EncodeLabels([]Label{{"g", string('a' + g)}, {"n", time.Duration(n).String()}}))
					own = must(w.AddSeries(f, labels, time.Now()))
				}
				own.Cells[0].Add(1)
				shared.Cells[0].Add(1)
				must(os.Stdout.Write([]byte{g}))
			}
		}()
	}
	must(io.Copy(io.Discard, os.Stdin))
}

// Property: after SIGKILL at any moment the file holds every increment that was
// acknowledged, and at most the one more per goroutine that had returned and
// could not be; and it has no fault.
func TestKillLosesNothingAcknowledged(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		c := startChild(t, "count", t.TempDir())
		path := c.line()
		wait := 1 + rnd.Int64N(3000)
		acked, err := io.CopyN(io.Discard, c.out, wait)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		rest, err := io.Copy(io.Discard, c.out) // to the end: the kernel keeps what was written
		if err != nil {
			t.Fatal(err)
		}
		acked += rest
		c.kill()
		r := mustOpen(t, path)
		if v := r.Probe(); v.State != Dead {
			t.Fatalf("killed and reaped, but %v by %v", v.State, v.Method)
		}
		var shared, own uint64
		for name, words := range contents(t, r) {
			if name == "hits_total{}" {
				shared = words[0]
			} else {
				own += words[0]
			}
		}
		for name, total := range map[string]uint64{"shared": shared, "own": own} {
			if total < uint64(acked) || total > uint64(acked)+countingGoroutines {
				t.Errorf("%s series hold %d, acknowledged %d", name, total, acked)
			}
		}
		if faults := Check(path); len(faults) > 0 {
			t.Errorf("faults %v", faults)
		}
	}
}

// setPairs sets a timed gauge at full speed, value and time always equal, and
// deletes it now and then.
func setPairs() {
	w := must(Create(os.Args[1], WriterOptions{}))
	f := must(w.AddFamily(latestFamily))
	s := must(w.AddSeries(f, "", time.Now()))
	SetLatest(s.Cells, 1, 1)
	os.Stdout.WriteString(w.Path() + "\n")
	go func() {
		for n := int64(2); ; n++ {
			SetLatest(s.Cells, float64(n), n)
			if n%1000 == 0 {
				must(0, w.Delete(s))
				s = must(w.AddSeries(f, "", time.Now()))
			}
		}
	}()
	must(io.Copy(io.Discard, os.Stdin))
}

// Property: a reader never meets the value of one set with the time of another,
// neither beside a writer at full speed nor after its SIGKILL; and what it sees
// never goes back.
func TestPairsAreNeverTorn(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 8 {
		c := startChild(t, "pairs", t.TempDir())
		r := mustOpen(t, c.line())
		words := make([]uint64, 3)
		var last uint64
		look := func() {
			if err := r.Load(words); err != nil {
				t.Fatal(err)
			}
			if words[0] == 0 {
				return // deleted at the moment
			}
			if value := math.Float64frombits(words[1]); value != float64(words[2]) || words[2] < last {
				t.Fatalf("value %v at time %d, after %d", value, words[2], last)
			}
			last = words[2]
		}
		for n := 1000 + rnd.IntN(20_000); n > 0 || last < 1000; n-- {
			look()
		}
		c.kill()
		look()
	}
}

// Property: forgetting the value of a timed gauge neither writes to the slot that
// a reader may be reading nor lets the count come back to a number.
func TestClearedPairKeepsItsCount(t *testing.T) {
	cell := make([]Word, latestWords)
	seen := map[uint64]bool{}
	for i := range int64(20) {
		SetLatest(cell, float64(i), i)
		sets := cell[latestSets].Load()
		if seen[sets] {
			t.Fatalf("count %d comes a second time", sets)
		}
		seen[sets] = true
		inForce := latestSlots + 2*(sets&1)
		clearLatest(cell)
		if _, _, set := ReadLatest(cell); set {
			t.Fatal("still set")
		}
		SetLatest(cell, 1000, 1000)
		if cell[inForce].Load() != bits(float64(i)) || cell[inForce+1].Load() != uint64(i) {
			t.Fatal("the first set after a clear wrote over the slot in force")
		}
		seen[cell[latestSets].Load()] = true
	}
}
