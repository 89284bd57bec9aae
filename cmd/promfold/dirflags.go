//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/model"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// dirFlags say which directories, and how they are archived.
type dirFlags struct {
	patterns   []string
	archiveDir string
	interval   time.Duration
	retention  time.Duration
	samePIDs   bool
	// optional: there may be none, as something else is served; then the environment's, which an
	// application on the machine may have set for itself, is not meant.
	optional bool
}

func (f *dirFlags) add(cmd *kingpin.CmdClause) {
	cmd.Flag("multiproc.dir", "Multiprocess directory, or a glob of such. It need not exist yet. Repeatable. "+
		"Default: $PROMETHEUS_MULTIPROC_DIR, then $prometheus_multiproc_dir.").StringsVar(&f.patterns)
	cmd.Flag("archive.dir", "Where the archive is kept. Default: .promfold in the multiprocess directory. "+
		"Only for a single directory.").StringVar(&f.archiveDir)
	cmd.Flag("archive.interval", "Time between two looks for dead processes.").Default("5s").DurationVar(&f.interval)
	cmd.Flag("archive.dead-gauges-retention", "How long gauges of mode all are shown after their process has died.").
		Default("10m").DurationVar(&f.retention)
	cmd.Flag("liveness.same-pid-namespace", "The pids in the names of Python and Ruby clients' files mean processes of this "+
		"pid namespace (shareProcessNamespace, or no containers), so that a pid that does not exist is a sign of death "+
		"where no lease can be had.").BoolVar(&f.samePIDs)
}

// fromEnvironment takes the directory from the environment if no flag names one.
func (f *dirFlags) fromEnvironment() {
	for _, name := range []string{"PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"} {
		if dir := os.Getenv(name); dir != "" && len(f.patterns) == 0 {
			f.patterns = []string{dir}
		}
	}
}

// complete fills in the defaults and finds what makes no sense.
func (f *dirFlags) complete() error {
	if !f.optional {
		f.fromEnvironment()
	}
	if len(f.patterns) == 0 && !f.optional {
		return usageError{errors.New("no directory: give --multiproc.dir or set $PROMETHEUS_MULTIPROC_DIR")}
	}
	for _, p := range f.patterns {
		if _, err := filepath.Match(p, ""); err != nil || p == "" {
			return usageError{fmt.Errorf("--multiproc.dir=%q: not a path or glob", p)}
		}
	}
	if f.archiveDir != "" && (len(f.patterns) != 1 || isGlob(f.patterns[0])) {
		return usageError{errors.New("--archive.dir is for a single directory: archives cannot share it")}
	}
	if d := f.archiveDir; d != "" && (filepath.Clean(d) == filepath.Clean(f.patterns[0]) || sameFile(d, f.patterns[0])) {
		return usageError{errors.New("--archive.dir is the multiprocess directory itself: leave it out, or name another")}
	}
	if f.interval <= 0 {
		return usageError{fmt.Errorf("--archive.interval=%v: must be above 0", f.interval)}
	}
	if f.retention < 0 {
		return usageError{fmt.Errorf("--archive.dead-gauges-retention=%v: must not be below 0", f.retention)}
	}
	return nil
}

// sameFile reports whether two paths lead to one file that exists.
func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// options are the choices for each directory.
func (f *dirFlags) options(o mmapstore.Overrides) directory.Options {
	return directory.Options{ArchiveDir: f.archiveDir, SamePIDNamespace: f.samePIDs, Overrides: o}
}

// archiverOptions are the choices for the archiver of each directory.
func (f *dirFlags) archiverOptions() archiver.Options {
	return archiver.Options{
		Interval: f.interval,
		Fold:     aggregate.FoldOptions{DeadGauges: max(f.retention, 1)}, // 0 would mean the default
	}
}

// isGlob: a path that exists as it is written is one, whatever it contains.
func isGlob(pattern string) bool {
	if !strings.ContainsAny(pattern, `*?[\`) {
		return false
	}
	_, err := os.Lstat(pattern)
	return err != nil
}

// expand is the directories that the patterns mean now: paths whether or not
// they exist, and for globs what is there.
func (f *dirFlags) expand() []string {
	var paths []string
	for _, p := range f.patterns {
		if !isGlob(p) {
			paths = append(paths, filepath.Clean(p))
			continue
		}
		matches, _ := filepath.Glob(p) // complete has looked at the pattern
		for _, m := range matches {
			if info, err := os.Stat(m); err == nil && info.IsDir() {
				paths = append(paths, filepath.Clean(m))
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// reservedLabels are used by the exposition or by our own metrics.
var reservedLabels = []string{"le", "quantile", "pid", "state", "method", "reason", "kind"}

// checkLabel reports whether the label that a flag names can be given to every series.
func checkLabel(flag, name string) error {
	if name == "" {
		return nil
	}
	if !model.LegacyValidation.IsValidLabelName(name) || strings.HasPrefix(name, "__") || slices.Contains(reservedLabels, name) {
		return usageError{fmt.Errorf("%s=%q: not a label name, or one that is taken", flag, name)}
	}
	return nil
}
