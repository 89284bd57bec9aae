package pydb

import (
	"slices"
	"strings"

	"github.com/promfold/promfold/mmapstore"
)

const suffix = ".db"

// name is what the base name of a file tells.
type name struct {
	typ     mmapstore.Type
	mode    mmapstore.Mode
	id      string // all that follows type and mode
	foreign bool   // an archive of the postmates fork
}

var types = map[string]mmapstore.Type{
	"counter": mmapstore.Counter, "histogram": mmapstore.Histogram, "summary": mmapstore.Summary, "gauge": mmapstore.Gauge,
}

// modes of gauges in the names of files: mostrecent is client_python's word for
// what postmates calls latest.
var modes = []string{
	"all", "liveall", "min", "livemin", "max", "livemax", "sum", "livesum", "mostrecent", "livemostrecent", "latest",
}

// archives are the names that the postmates fork gives to what it keeps of the
// dead.
var archives = []string{"counter.db", "histogram.db", "gauge_latest.db", "gauge_max.db", "gauge_min.db"}

// IsFileName reports whether a base name is one that the clients give.
func IsFileName(base string) bool {
	_, ok := parseName(base)
	return ok
}

func parseName(base string) (n name, ok bool) {
	stem, ok := strings.CutSuffix(base, suffix)
	if !ok {
		return n, false
	}
	typ, rest, _ := strings.Cut(stem, "_")
	if n.typ, ok = types[typ]; !ok {
		return n, false
	}
	n.id = rest
	if n.typ == mmapstore.Gauge {
		var mode string
		mode, n.id, _ = strings.Cut(rest, "_")
		if !slices.Contains(modes, mode) {
			return n, false
		}
		n.mode, _ = mmapstore.ParseMode(mode) // all of modes are known there
	}
	n.foreign = slices.Contains(archives, base)
	return n, n.id != "" || n.foreign
}
