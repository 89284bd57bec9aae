//go:build unix

// Package hermes listens for the datagrams of Hermes, a push gateway: processes
// in any language send one JSON object in each, and what they count is merged with
// all other metrics. The Go client is in package hermes/client; docs/hermes.md is
// for those who move from Hermes.
//
// A datagram names a metric of the configuration and says what happened to it:
//
//	{"metric_name": "jobs_total",       "payload": {"labels": {"queue": "mail"}}}
//	{"metric_name": "queue_depth",      "payload": {"labels": {"queue": "mail"}, "operation": "set", "value": 65.4}}
//	{"metric_name": "latency_seconds",  "payload": {"labels": {"queue": "mail"}, "observation": 0.3}}
//
// The way of a datagram: socket.go receives a batch of them, decode.go reads one,
// table.go finds its metric, and metric.go the series, which lives in the file of
// a [worker.Store]. listener.go holds them together.
package hermes
