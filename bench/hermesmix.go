//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// hermesConfig is the metrics that the datagrams are about.
const hermesConfig = `{
  "service_name": "bench",
  "counters": [
    {"metric_name": "jobs_total", "metric_description": "Jobs.", "labels": ["queue"]},
    {"metric_name": "requests_total", "metric_description": "Requests.", "labels": ["queue", "host"]}
  ],
  "gauges": [{"metric_name": "queue_depth", "metric_description": "Jobs that wait.", "labels": ["queue"]}],
  "histograms": [{"metric_name": "job_seconds", "metric_description": "How long jobs took.", "labels": ["queue"]}]
}`

const (
	hermesQueues = 20
	hermesHosts  = 9 // with the counter of one label, 200 counters
	// hermesCycle is how many datagrams are made before the first is sent. They are
	// sent again and again. Hardly any value comes twice in a cycle.
	hermesCycle = 1 << 16
)

// hermesShapes are the kinds of datagrams that come by turns.
var hermesShapes = map[string][]func(*rand.Rand) string{
	"mix":        {jobCounted, queueDepth, requestCounted, jobTook},
	"counters":   {jobCounted, requestCounted},
	"histograms": {jobTook},
}

// hermesDatagrams are what python-hermes sends, byte for byte: with a space after
// each colon and comma, and with floats as Python has them.
func hermesDatagrams(shape string) [][]byte {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // G404: the same each time
	kinds := hermesShapes[shape]
	all := make([][]byte, hermesCycle)
	for i := range all {
		all[i] = []byte(kinds[i%len(kinds)](random))
	}
	return all
}

func jobCounted(r *rand.Rand) string {
	return fmt.Sprintf(`{"metric_name": "jobs_total", "payload": {"labels": {%s}}}`, queueLabel(r))
}

func requestCounted(r *rand.Rand) string {
	return fmt.Sprintf(`{"metric_name": "requests_total", "payload": {"labels": {%s, "host": "10.20.0.%d"}}}`, queueLabel(r), r.IntN(hermesHosts))
}

func queueDepth(r *rand.Rand) string {
	return fmt.Sprintf(`{"metric_name": "queue_depth", "payload": {"operation": "set", "labels": {%s}, "value": %d.%d}}`, queueLabel(r), r.IntN(10_000), r.IntN(10))
}

// jobTook has all digits of a float64, as the difference of two clocks has.
func jobTook(r *rand.Rand) string {
	seconds := strconv.FormatFloat(0.001+5*r.Float64()*r.Float64(), 'f', -1, 64)
	return fmt.Sprintf(`{"metric_name": "job_seconds", "payload": {"labels": {%s}, "observation": %s}}`, queueLabel(r), seconds)
}

func queueLabel(r *rand.Rand) string {
	return fmt.Sprintf(`"queue": "queue-%02d"`, r.IntN(hermesQueues))
}
