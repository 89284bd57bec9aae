//go:build unix

package exporter

import (
	"time"

	dto "github.com/prometheus/client_model/go"
)

// emit takes a sample: the value of the metric's label, "" if it has none, and its own.
type emit func(label string, v float64)

// censusMetric is a metric about a merge as a whole or about a directory.
type censusMetric struct {
	name, help string
	typ        dto.MetricType
	label      string // besides that of the directory
	ofMerge    func(*census, emit)
	ofDir      func(*dirCensus, emit)
}

func mergeMetrics() []censusMetric {
	gauge := func(name, help, label string, values func(*census, emit)) censusMetric {
		return censusMetric{name: name, help: help, typ: dto.MetricType_GAUGE, label: label, ofMerge: values}
	}
	return []censusMetric{
		gauge("promfold_directories", "Multiprocess directories, whether or not they exist.", "",
			func(c *census, emit emit) { emit("", float64(len(c.dirs))) }),
		gauge("promfold_series", "Merged series, a histogram being one.", "",
			func(c *census, emit emit) { emit("", float64(c.series)) }),
		gauge("promfold_families", "Merged metric families.", "",
			func(c *census, emit emit) { emit("", float64(c.families)) }),
		gauge("promfold_family_conflicts", "Metric families about which processes disagree, by what in: "+
			"type, mode (of gauges), bounds (of buckets), name (of a sample: also one that the exporter has).",
			"kind", func(c *census, emit emit) { c.conflicts.emit(emit) }),
		gauge("promfold_invalid_values", "Values left out of the merge because no process can have counted them.", "",
			func(c *census, emit emit) { emit("", float64(c.invalid)) }),
	}
}

// dirMetrics is the metrics about a directory.
func dirMetrics() []censusMetric {
	var all []censusMetric
	add := func(typ dto.MetricType, name, help, label string, values func(*dirCensus, emit)) {
		all = append(all, censusMetric{name: name, help: help, typ: typ, label: label, ofDir: values})
	}
	gauge := func(name, help, label string, values func(*dirCensus, emit)) {
		add(dto.MetricType_GAUGE, name, help, label, values)
	}
	counter := func(name, help string, value func(*dirCensus) uint64) {
		add(dto.MetricType_COUNTER, name, help, "", func(d *dirCensus, emit emit) { emit("", float64(value(d))) })
	}
	fileMetrics(gauge)
	archiveMetrics(gauge, counter)
	return all
}

type (
	addGauge   func(name, help, label string, values func(*dirCensus, emit))
	addCounter func(name, help string, value func(*dirCensus) uint64)
)

func fileMetrics(gauge addGauge) {
	gauge("promfold_directories_missing", "Directories that do not exist (yet).", "",
		func(d *dirCensus, emit emit) { emit("", float64(d.missing)) })
	gauge("promfold_processes", "Processes that have files by state. "+
		"Dead ones wait for the archiver; unknown ones count as live.", "state",
		func(d *dirCensus, emit emit) { d.processes.emit(emit) })
	gauge("promfold_liveness_files", "Files of processes by what told whether the process lives. "+
		"The state of none is unknown.", "method",
		func(d *dirCensus, emit emit) { d.methods.emit(emit) })
	gauge("promfold_file_errors", "Files that the last scan could not use, or not in full, by reason.", "reason",
		func(d *dirCensus, emit emit) { d.errors.emit(emit) })
	gauge("promfold_orphan_files", "Files that others than an archiver removed and that are still counted.", "",
		func(d *dirCensus, emit emit) { emit("", float64(d.orphans)) })
	gauge("promfold_dropped_series", "Series for which processes found no room in their files, "+
		"as these processes report.", "",
		func(d *dirCensus, emit emit) { emit("", float64(d.dropped)) })
}

func archiveMetrics(gauge addGauge, counter addCounter) {
	gauge("promfold_archive_size_bytes", "Size of the archive file.", "",
		func(d *dirCensus, emit emit) { emit("", float64(d.archiveSize)) })
	gauge("promfold_archive_generation", "Number of the archive's commit, counted since the directory was new.", "",
		func(d *dirCensus, emit emit) { emit("", float64(d.archiveGeneration)) })
	gauge("promfold_archive_last_commit_timestamp_seconds",
		"Unix time at which the archive was written. Absent if there is none.", "",
		func(d *dirCensus, emit emit) {
			if d.archiveCommitted != 0 {
				emit("", d.archiveCommitted)
			}
		})
	gauge("promfold_archive_last_round_timestamp_seconds",
		"Unix time at which this process' archiver last looked for dead processes. Absent if it never did.", "",
		func(d *dirCensus, emit emit) {
			if at := d.archiver.LastRound; !at.IsZero() {
				emit("", float64(at.UnixNano())/float64(time.Second))
			}
		})
	gauge("promfold_archive_active", "Directories that this process archives; for others somebody else does, or nobody.", "",
		func(d *dirCensus, emit emit) { emit("", float64(d.active)) })
	gauge("promfold_archive_foreign", "Directories in which another program archives files of the Python client, "+
		"so that this one leaves them alone.", "",
		func(d *dirCensus, emit emit) { emit("", float64(d.foreign)) })
	counter("promfold_archive_commits_total", "Archives that this process wrote.",
		func(d *dirCensus) uint64 { return d.archiver.Commits })
	counter("promfold_archive_absorbed_files_total", "Files of dead processes that this process archived.",
		func(d *dirCensus) uint64 { return d.archiver.Absorbed })
	counter("promfold_archive_discarded_files_total",
		"Files of dead processes that this process removed because nothing in them outlives the process.",
		func(d *dirCensus) uint64 { return d.archiver.Discarded })
	counter("promfold_archive_swept_files_total", "Files of processes that died at birth, removed by this process.",
		func(d *dirCensus) uint64 { return d.archiver.Swept })
	counter("promfold_archive_set_aside_files_total", "Damaged files and archives that this process renamed.",
		func(d *dirCensus) uint64 { return d.archiver.SetAside })
	counter("promfold_archive_failures_total", "Archiving rounds of this process that failed, to be tried again.",
		func(d *dirCensus) uint64 { return d.archiver.Failures })
}
