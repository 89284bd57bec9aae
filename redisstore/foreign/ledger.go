package foreign

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Reason says why a field is left out, or what is amiss with one that is shown.
type Reason string

// Reasons to leave a field out.
const (
	BadField  Reason = "field"  // nothing that the library writes
	BadName   Reason = "name"   // no name of a metric, or one that is too long
	BadLabels Reason = "labels" // cannot be told apart, or clash with what the type adds
	BadBound  Reason = "bound"  // a bucket without a bound
	BadValue  Reason = "value"  // no number, or none that the type can have
	BadType   Reason = "type"   // no type that there is, or a part of another one
	OverLimit Reason = "limit"  // more than a merge takes
)

// Defects of what is shown nevertheless.
const (
	Duplicate  Reason = "duplicate"  // one series under several spellings
	Torn       Reason = "torn"       // read, or written, between the parts of an observation
	Incomplete Reason = "incomplete" // a sum or a count is not there
	Untyped    Reason = "untyped"    // the type that the library stores is lost
)

var (
	badReasons = []Reason{BadField, BadName, BadLabels, BadBound, BadValue, BadType, OverLimit}
	defects    = []Reason{Duplicate, Torn, Incomplete, Untyped}
)

// Ledger counts what is amiss in one store, for as long as it is read. Goroutines may
// share it.
type Ledger struct {
	from    string
	log     *slog.Logger
	bad     *prometheus.CounterVec
	defects *prometheus.CounterVec

	mu    sync.Mutex         // guards what follows
	named map[Where]struct{} // left out of the last read
	shown map[Reason]bool    // defects that were named
}

// NewLedger makes a ledger. from is what the operator calls the store: kind and name.
// No logger means slog.Default().
func NewLedger(from string, log *slog.Logger) *Ledger {
	if log == nil {
		log = slog.Default()
	}
	constant := prometheus.Labels{"from": from}
	l := &Ledger{
		from: from, log: log, shown: make(map[Reason]bool),
		bad: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "promfold_read_bad_fields_total", ConstLabels: constant,
			Help: "Fields of other libraries' stores that were left out of a read.",
		}, []string{"reason"}),
		defects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "promfold_read_defects_total", ConstLabels: constant,
			Help: "Series of other libraries' stores that a read found defective, and showed nevertheless.",
		}, []string{"reason"}),
	}
	for _, r := range badReasons {
		l.bad.WithLabelValues(string(r))
	}
	for _, r := range defects {
		l.defects.WithLabelValues(string(r))
	}
	return l
}

// Collectors are the metrics of the ledger.
func (l *Ledger) Collectors() []prometheus.Collector {
	return []prometheus.Collector{l.bad, l.defects}
}

// Round is what one read finds amiss. One goroutine uses it. A read that fails is not
// counted: its round is never closed.
type Round struct {
	ledger  *Ledger
	left    map[Where]finding
	counts  map[Reason]int
	defects map[Reason]Where // the first of each kind
}

// finding is why a field is left out.
type finding struct {
	reason Reason
	detail string
}

// Begin begins a round.
func (l *Ledger) Begin() *Round {
	return &Round{l, make(map[Where]finding), make(map[Reason]int), make(map[Reason]Where)}
}

// Limits to what is remembered and said of one read.
const (
	maxRemembered = 10_000
	maxSaid       = 10
)

// Bad notes that a field is left out.
func (r *Round) Bad(w Where, reason Reason, detail string) {
	r.counts[reason]++
	if len(r.left) < maxRemembered {
		r.left[w] = finding{reason, detail}
	}
}

// Defect notes that a series is shown otherwise than it is stored.
func (r *Round) Defect(w Where, reason Reason) {
	r.counts[reason]++
	if _, ok := r.defects[reason]; !ok {
		r.defects[reason] = w
	}
}

// Close counts what the round found, and names what no round named before.
func (r *Round) Close() {
	l := r.ledger
	for _, reason := range badReasons {
		l.bad.WithLabelValues(string(reason)).Add(float64(r.counts[reason]))
	}
	for _, reason := range defects {
		l.defects.WithLabelValues(string(reason)).Add(float64(r.counts[reason]))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sayLeft(r.left)
	l.named = make(map[Where]struct{}, len(r.left))
	for w := range r.left {
		l.named[w] = struct{}{}
	}
	for _, reason := range defects {
		w, ok := r.defects[reason]
		if !ok || reason == Torn || l.shown[reason] {
			continue // to be torn is the way of a store that is written to
		}
		l.shown[reason] = true
		l.log.Warn("shown otherwise than it is stored", "from", l.from, "key", brief(w.Key), "field", brief(w.Field), "defect", string(reason))
	}
}

// sayLeft names fields that were not left out of the round before.
func (l *Ledger) sayLeft(left map[Where]finding) {
	said := 0
	for w, f := range left {
		if _, known := l.named[w]; known {
			continue
		}
		if said++; said <= maxSaid {
			l.log.Warn("left out a field that cannot be shown", "from", l.from, "key", brief(w.Key), "field", brief(w.Field),
				"reason", string(f.reason), "detail", f.detail)
		}
	}
	if said > maxSaid {
		l.log.Warn("left out more fields", "from", l.from, "fields", said-maxSaid)
	}
}

// brief cuts a text that somebody else wrote down to what fits a log line.
func brief(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return fmt.Sprintf("%s... (%d bytes)", s[:most], len(s))
}
