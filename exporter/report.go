//go:build unix

package exporter

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
)

// reporter logs what is wrong when it begins and when it ends, and not at each
// scrape. One merge runs at a time, so that nothing here needs a lock.
type reporter struct {
	log     *slog.Logger
	failed  string          // why the last merge failed, "" if it did not
	known   map[string]bool // troubles of the last merge
	unknown bool            // some file's liveness was unknown
}

func newReporter(log *slog.Logger) *reporter { return &reporter{log: log} }

// Println logs what went wrong with an answer.
func (r *reporter) Println(v ...any) { r.log.Warn(fmt.Sprint(v...)) }

// bodyWriter remembers that an answer did not get through.
type bodyWriter struct {
	http.ResponseWriter
	broken bool
}

func (w *bodyWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.broken = w.broken || err != nil
	return n, err
}

// bodyLog is the log of one answer. That a client is gone is no trouble of ours,
// least of all once for each family.
type bodyLog struct {
	report *reporter
	body   *bodyWriter
}

// Println implements promhttp.Logger.
func (l bodyLog) Println(v ...any) {
	if !l.body.broken {
		l.report.Println(v...)
	}
}

// failure reports whether a merge failed as a whole.
func (r *reporter) failure(err error) {
	was := r.failed
	r.failed = ""
	if err != nil {
		r.failed = err.Error()
	}
	switch {
	case r.failed == was:
	case err != nil:
		r.log.Error("Cannot merge, scrapes are answered with 503", "err", err)
	default:
		r.log.Info("Merging again")
	}
}

// maxLines bounds what one change of a directory can make us log.
const maxLines = 20

// trouble is one thing that is wrong: key tells it from others.
type trouble struct {
	level    slog.Level
	key, msg string
	args     []any
}

// update reports what is wrong now and was not, and what is no more.
func (r *reporter) update(c *census, conflicts []aggregate.Conflict) {
	unknown := 0
	var all []trouble
	for _, d := range c.dirs {
		unknown += d.processes.of("unknown")
		all = append(all, d.troubles()...)
	}
	for _, conflict := range conflicts {
		all = append(all, trouble{
			slog.LevelWarn, "family " + conflict.Family + " " + string(conflict.Kind),
			"Conflict about a metric family: " + conflictMeanings[conflict.Kind],
			[]any{"family", conflict.Family, "kind", conflict.Kind},
		})
	}
	r.liveness(unknown)
	r.changes(all)
}

func (d *dirCensus) troubles() []trouble {
	var all []trouble
	if d.missing > 0 {
		all = append(all, trouble{
			slog.LevelInfo, "dir " + d.path, "Waiting for the directory to be made", []any{"dir", d.path},
		})
	}
	for _, p := range d.problems {
		all = append(all, trouble{
			slog.LevelWarn, "file " + p.Path + " " + p.Reason(), "Cannot use a file, or not in full",
			[]any{"path", p.Path, "reason", p.Reason(), "err", p.Err},
		})
	}
	return all
}

func (r *reporter) changes(all []trouble) {
	known := make(map[string]bool, len(all))
	fresh := 0
	for _, t := range all {
		if !r.known[t.key] && !known[t.key] {
			if fresh++; fresh <= maxLines {
				r.log.Log(context.Background(), t.level, t.msg, t.args...)
			}
		}
		known[t.key] = true
	}
	if fresh > maxLines {
		r.log.Warn("More trouble of this kind, see the metrics", "left_out", fresh-maxLines)
	}
	gone := 0
	for key := range r.known {
		if !known[key] {
			gone++
		}
	}
	if gone > 0 {
		r.log.Info("Trouble gone", "gone", gone, "left", len(known))
	}
	r.known = known
}

func (r *reporter) liveness(unknown int) {
	if r.unknown == (unknown > 0) {
		return
	}
	r.unknown = unknown > 0
	if r.unknown {
		r.log.Warn("Cannot tell whether some processes live: they count as live and are not archived",
			"processes", unknown, "remedies", directory.LivenessRemedies)
		return
	}
	r.log.Info("The liveness of all processes is known")
}

// conflictMeanings say what is done about a conflict.
var conflictMeanings = map[aggregate.ConflictKind]string{
	aggregate.TypeConflict:   "processes give it different types: the newest process' is shown, series of other types are left out",
	aggregate.ModeConflict:   "processes give the gauge different modes: the newest process' holds for all",
	aggregate.BoundsConflict: "processes have different buckets: the union is shown",
	aggregate.NameConflict:   "another family, maybe of the exporter, has samples of the same name: this one is left out",
}
