//go:build attack && linux

package attack_test

import (
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/worker"
)

// fleetGauges are the modes of the gauges of each host, which show how many batches
// it has done.
var fleetGauges = []worker.Mode{worker.All, worker.LiveAll, worker.LiveSum, worker.Max}

func fleetGauge(m worker.Mode) string { return "fleet_gauge_" + m.String() }

func fleetPID(host, life int) string { return fmt.Sprintf("h%d-%d", host, life) }

// itemStep is by how much a batch moves the counter of that number.
func itemStep(i int) float64 { return float64(1 + i%fleetSteps) }

// fleetHost is a directory, and what its process has acknowledged: the oracle.
type fleetHost struct {
	number int
	dir    string
	name   string // the label host
	writer *fleetWriter
	acked  atomic.Uint64 // batches

	// The test's own goroutine alone has the rest.
	life int
	over bool // it does not come back
}

// batches are those of all hosts.
func (f *fleet) batches() (n uint64) {
	for _, h := range f.hosts {
		n += h.acked.Load()
	}
	return n
}

// perFleetBatch calls show with every cumulative series that a batch moves, and by how much.
func (f *fleet) perFleetBatch(show func(series string, step float64)) {
	for i := range f.items() {
		show(rig.Series("fleet_items_total", map[string]string{"series": strconv.Itoa(i)}), itemStep(i))
	}
	for i := range fleetParts {
		part := map[string]string{"part": strconv.Itoa(i)}
		show(rig.Series("fleet_seconds_sum", part), 2)
		show(rig.Series("fleet_seconds_count", part), 2)
		for le, step := range map[string]float64{"1": 1, "2": 2, "+Inf": 2} {
			show(rig.Series("fleet_seconds_bucket", map[string]string{"part": strconv.Itoa(i), "le": le}), step)
		}
	}
}

func ownSeries(h *fleetHost) string {
	return rig.Series("fleet_batches_total", map[string]string{"of": strconv.Itoa(h.number)})
}

// items is how many counters each host has.
func (f *fleet) items() int { return *fleetSeries - fleetParts - 1 - len(fleetGauges) }

// wrong holds an exposition, taken while nobody counts, against all that was acknowledged.
func (f *fleet) wrong(got rig.Samples) (faults []string) {
	hold := func(series string, want float64) {
		if value := got[series].Value; value != want {
			faults = append(faults, fmt.Sprintf("%s is %v, acknowledged %v", series, value, want))
		}
	}
	for _, h := range f.hosts { // first, as they say most
		hold(ownSeries(h), float64(h.acked.Load()))
	}
	total := float64(f.batches())
	f.perFleetBatch(func(series string, step float64) { hold(series, total*step) })
	return append(faults, f.wrongGauges(got)...)
}

// wrongGauges is about those that are alive: of the dead no more than a number is kept.
func (f *fleet) wrongGauges(got rig.Samples) (faults []string) {
	var live, most, alive float64
	hold := func(series string, want float64) {
		if one, ok := got[series]; !ok || one.Value != want {
			faults = append(faults, fmt.Sprintf("%s is %v (there: %v), set to %v", series, one.Value, ok, want))
		}
	}
	for _, h := range f.hosts {
		n := float64(h.acked.Load())
		most = max(most, n)
		if h.over {
			continue
		}
		live += n
		alive++
		who := map[string]string{"pid": fleetPID(h.number, h.life), "host": h.name}
		hold(rig.Series(fleetGauge(worker.All), who), n)
		hold(rig.Series(fleetGauge(worker.LiveAll), who), n)
	}
	hold(fleetGauge(worker.LiveSum), live)
	hold(fleetGauge(worker.Max), most)
	shown := 0.0
	for series, one := range got {
		if one.Name == fleetGauge(worker.LiveAll) {
			shown++
		}
		if one.Name == fleetGauge(worker.All) && (one.Labels["pid"] == "" || one.Labels["host"] == "") {
			faults = append(faults, series+" does not say whose it is")
		}
	}
	if shown != alive {
		faults = append(faults, fmt.Sprintf("%v processes show %s, %v are alive", shown, fleetGauge(worker.LiveAll), alive))
	}
	return faults
}

// tooMuch are cumulative series that show what nobody has counted. The answer was there before
// the call: since then at most one batch of each host goes unheard.
func (f *fleet) tooMuch(got rig.Samples) (faults []string) {
	hold := func(series string, most float64) {
		if value := got[series].Value; value > most {
			faults = append(faults, fmt.Sprintf("%s is %v, counted were at most %v", series, value, most))
		}
	}
	total := 0.0
	for _, h := range f.hosts {
		most := float64(h.acked.Load() + 1)
		total += most
		hold(ownSeries(h), most)
	}
	f.perFleetBatch(func(series string, step float64) { hold(series, total*step) })
	return faults
}
