//go:build linux

package main

import (
	"net/http"
	"net/url"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
)

// handler is an exporter in this process, where it can be counted and profiled. It
// is the handler that takes the answers as well.
type handler struct {
	http.Handler
	dir     *directory.Directory
	request *http.Request
	header  http.Header
	status  int
	keep    bool // the body of the last answer
	body    []byte
}

func inProcess(dir string) *handler {
	d := directory.New(dir, directory.Options{})
	return &handler{
		Handler: exporter.New(exporter.Options{Members: []exporter.Member{{Directory: d}}, ProcessMetrics: true}),
		dir:     d, header: make(http.Header),
		request: &http.Request{
			Method: http.MethodGet, URL: &url.URL{Path: "/metrics"}, Header: http.Header{"Accept": {"text/plain; version=0.0.4"}},
		},
	}
}

func (h *handler) close() { h.dir.Close() }

func (h *handler) scrape() {
	clear(h.header)
	h.status, h.body = http.StatusOK, h.body[:0]
	h.ServeHTTP(answer{h}, h.request)
}

// answer takes an answer, and forgets it unless it is to be kept.
type answer struct{ of *handler }

func (a answer) Header() http.Header    { return a.of.header }
func (a answer) WriteHeader(status int) { a.of.status = status }

func (a answer) Write(b []byte) (int, error) {
	if a.of.keep {
		a.of.body = append(a.of.body, b...)
	}
	return len(b), nil
}
