//go:build unix

package exporter

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/exposition"
)

// Member is a directory that takes part in the merge.
type Member struct {
	// Directory is what is scanned. Of members that have one directory under
	// several names the first takes part.
	Directory *directory.Directory
	// Archiver of the directory in this process, for metrics about it. May be
	// nil. Who made it runs it.
	Archiver *archiver.Archiver
}

// Provider is where sources come from that lie in no directory: other hosts, say. Each call
// gives all that there are at the moment, which do not change any more. It fails where a part would pass for
// the whole; a source that cannot be read fails the scrape. Providers are asked side by side.
type Provider interface {
	Sources(ctx context.Context) ([]aggregate.Source, error)
}

// Options are the choices of New. The zero value works.
type Options struct {
	Members []Member
	// Providers take part in the merge as the directories do.
	Providers []Provider
	// DirectoryLabel is the name of a label with the path of the directory for
	// those metrics of the exporter that are about one. Default: none, and what
	// they count is summed over all directories.
	DirectoryLabel string
	// ProcessMetrics adds metrics about this process and its HTTP handler:
	// promfold_go_*, promfold_process_* and promfold_promhttp_*.
	ProcessMetrics bool
	// Collectors are metrics of the program that the exporter is a part of. They
	// are shown beside the exporter's own, and as these go before merged families
	// of the same name. New panics if one cannot be registered.
	Collectors []prometheus.Collector
	// Logger hears of trouble with directories and files, once per change.
	// Default: slog.Default().
	Logger *slog.Logger
}

// Exporter merges directories and serves the result. It is an http.Handler and
// a prometheus.Gatherer. Goroutines may share it.
//
// It neither runs archivers nor closes directories: who made them does.
type Exporter struct {
	merger  *aggregate.Merger
	share   *sharer[*scrape]
	own     *ownMetrics
	report  *reporter
	others  []Provider
	process bool         // as Options.ProcessMetrics
	handler http.Handler // answer, instrumented or not

	mu      sync.Mutex // guards members
	members []Member
}

// New makes an exporter. Nothing is read before the first scrape.
func New(o Options) *Exporter {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	e := &Exporter{
		merger:  aggregate.NewMerger(nil),
		own:     newOwnMetrics(o),
		report:  newReporter(o.Logger),
		others:  slices.Clone(o.Providers),
		process: o.ProcessMetrics,
		members: slices.Clone(o.Members),
	}
	e.share = newSharer(e.merge)
	e.handler = compressed(http.HandlerFunc(e.answer))
	if e.process {
		e.handler = e.own.handler(e.handler)
	}
	return e
}

// Handler serves the merge of the directories: New for an application's own
// server, where the application has the metrics of its process already. Make it
// once; it knows from scrape to scrape what it has read.
func Handler(dirs ...*directory.Directory) http.Handler {
	var o Options
	for _, d := range dirs {
		o.Members = append(o.Members, Member{Directory: d})
	}
	return New(o)
}

// Add makes a directory take part from the next merge on.
func (e *Exporter) Add(m Member) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.members = append(e.members, m)
}

// Gather implements prometheus.Gatherer with the merged families alone, so that
// what writes to elsewhere (push, the Graphite bridge, text files) shows the
// application and not the exporter. It fails only when there is nothing to show, as a
// scrape does: a bad file is left out.
func (e *Exporter) Gather() ([]*dto.MetricFamily, error) {
	s, err := e.share.get(context.Background())
	if err != nil {
		return nil, err
	}
	return s.merged.Metrics(), nil
}

var _ prometheus.Gatherer = (*Exporter)(nil)

// ServeHTTP answers a scrape: merged metrics and those of the exporter, in the
// format and compression that the client prefers, or those of the families
// alone that it asks for with name[]. Where a directory cannot be read the
// answer is 503: the counts of the others alone would look like a reset.
func (e *Exporter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	e.handler.ServeHTTP(w, r)
	e.own.fixed.scrapes.observe(time.Since(began).Seconds())
}

func (e *Exporter) answer(w http.ResponseWriter, r *http.Request) {
	s, err := e.share.get(r.Context())
	if r.Context().Err() != nil {
		return // nobody is there to read an answer
	}
	if err != nil {
		http.Error(w, "Cannot serve metrics: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	body := &bodyWriter{ResponseWriter: w}
	format := expfmt.NegotiateAccept(r.Header, expfmt.DefaultOpenMetricsAcceptedFormats()...)
	if style, ok := exposition.StyleOf(format); ok {
		e.writeText(body, r, s, format, style)
		return
	}
	o := promhttp.HandlerOpts{
		ErrorLog:          bodyLog{e.report, body},
		ErrorHandling:     promhttp.ContinueOnError, // a family that cannot be encoded costs itself
		EnableOpenMetrics: true,

		DisableCompression: true, // compressed does it
	}
	if e.process {
		o.Registry = e.own.process
	}
	promhttp.HandlerFor(s, o).ServeHTTP(body, r)
}
