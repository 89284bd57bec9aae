//go:build unix

package main

import (
	"errors"
	"fmt"
	"math"
	"net/http"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// sight is what one scrape showed.
type sight struct {
	requests uint64 // the sum of demo_requests_total
	batches  uint64 // the count of demo_request_duration_seconds
	dropped  float64
}

// look scrapes the demo over HTTP, as Prometheus would.
func look(client *http.Client, url string) (sight, error) {
	resp, err := client.Get(url)
	if err != nil {
		return sight{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return sight{}, fmt.Errorf("scrape: %s", resp.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		return sight{}, fmt.Errorf("scrape: %w", err)
	}
	return readSight(families)
}

func readSight(families map[string]*dto.MetricFamily) (s sight, err error) {
	requests := 0.0
	for _, m := range families[demoRequests].GetMetric() {
		requests += m.GetCounter().GetValue()
	}
	if requests != math.Trunc(requests) {
		return s, fmt.Errorf("%s is %v, not a whole number", demoRequests, requests)
	}
	s.requests = uint64(requests)
	for _, m := range families[demoDuration].GetMetric() {
		s.batches += m.GetHistogram().GetSampleCount()
	}
	drops := families["promfold_dropped_series"].GetMetric()
	if len(drops) != 1 {
		return s, errors.New("scrape: no promfold_dropped_series")
	}
	s.dropped = drops[0].GetGauge().GetValue()
	return s, nil
}

// audit watches the demo's promises from scrape to scrape.
type audit struct {
	last    sight
	scrapes int
	faults  []error
}

// maxFaults bounds what is remembered of a demo that goes wrong all the time.
const maxFaults = 10

func (a *audit) fault(format string, args ...any) {
	if len(a.faults) < maxFaults {
		a.faults = append(a.faults, fmt.Errorf(format, args...))
	}
}

// take judges a scrape that began when acknowledged increments in batches
// batches were known: all of them must be there, and nothing goes down.
func (a *audit) take(s sight, acknowledged, batches uint64) {
	a.scrapes++
	if s.requests < acknowledged {
		a.fault("scrape %d shows %d requests when %d were acknowledged before it", a.scrapes, s.requests, acknowledged)
	}
	if s.batches < batches {
		a.fault("scrape %d shows %d durations when %d were acknowledged before it", a.scrapes, s.batches, batches)
	}
	if s.requests < a.last.requests {
		a.fault("scrape %d: requests went down from %d to %d", a.scrapes, a.last.requests, s.requests)
	}
	if s.batches < a.last.batches {
		a.fault("scrape %d: durations went down from %d to %d", a.scrapes, a.last.batches, s.batches)
	}
	if s.dropped != 0 {
		a.fault("scrape %d: %v series found no room", a.scrapes, s.dropped)
	}
	a.last = s
}

// ledger is what the demo comes to.
type ledger struct {
	acknowledged uint64 // increments that returned, as workers told over a pipe
	exposed      uint64 // in the last scrape
	bound        uint64 // increments that may have returned without an acknowledgement
	killed       uint64
	archived     uint64
	files        int // left in the directory
}

func (l *ledger) balanced() bool {
	return l.acknowledged <= l.exposed && l.exposed <= l.acknowledged+l.bound
}

func (l *ledger) String() string {
	return fmt.Sprintf("ledger: acknowledged=%d exposed=%d bound=%d killed=%d archived=%d files=%d",
		l.acknowledged, l.exposed, l.bound, l.killed, l.archived, l.files)
}
