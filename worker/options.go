package worker

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/promfold/promfold/mmapstore"
)

// Mode says how the values of a gauge in several processes become one.
type Mode = mmapstore.Mode

// The modes of gauges. Those named Live leave out dead processes.
const (
	All        = mmapstore.All        // one series per process, with the label pid
	LiveAll    = mmapstore.LiveAll    // the default
	Latest     = mmapstore.Latest     // the newest update
	LiveLatest = mmapstore.LiveLatest // the newest update
	Max        = mmapstore.Max
	LiveMax    = mmapstore.LiveMax
	Min        = mmapstore.Min
	LiveMin    = mmapstore.LiveMin
	Sum        = mmapstore.Sum
	LiveSum    = mmapstore.LiveSum
)

// DefaultSnapshotInterval is how often a Store takes snapshots, unless told.
const DefaultSnapshotInterval = 5 * time.Second

// Options are the choices of a Store. The zero value works.
type Options struct {
	// Identity is the value of the label pid. Default: the process id. At most
	// mmapstore.MaxIdentity bytes.
	Identity string
	// FileMode is the permission of the file, whatever the umask. Default 0640.
	FileMode os.FileMode
	// MaxSeries caps the series in the file; what is over it counts on the
	// heap. Default: mmapstore.MaxSeries.
	MaxSeries int
	// GaugeModes gives modes to gauges by the full names of their families. It
	// is for gauges of third parties; WithMode is stronger.
	GaugeModes map[string]Mode
	// SnapshotInterval is the time between two rounds of upkeep: snapshots of
	// what is not native to the store, deletions, new tries after lack of
	// space. Default: DefaultSnapshotInterval.
	SnapshotInterval time.Duration
	// Logger gets one line for each kind of trouble. Default: slog.Default().
	Logger *slog.Logger
}

// Option is one choice for Open and New.
type Option func(*Options)

// WithOptions replaces all choices made so far by o.
func WithOptions(o Options) Option { return func(to *Options) { *to = o } }

// WithIdentity sets Options.Identity.
func WithIdentity(identity string) Option { return func(o *Options) { o.Identity = identity } }

// WithFileMode sets Options.FileMode.
func WithFileMode(mode os.FileMode) Option { return func(o *Options) { o.FileMode = mode } }

// WithMaxSeries sets Options.MaxSeries.
func WithMaxSeries(n int) Option { return func(o *Options) { o.MaxSeries = n } }

// WithGaugeModes sets Options.GaugeModes.
func WithGaugeModes(modes map[string]Mode) Option {
	return func(o *Options) { o.GaugeModes = modes }
}

// WithSnapshotInterval sets Options.SnapshotInterval.
func WithSnapshotInterval(d time.Duration) Option {
	return func(o *Options) { o.SnapshotInterval = d }
}

// WithLogger sets Options.Logger.
func WithLogger(l *slog.Logger) Option { return func(o *Options) { o.Logger = l } }

// complete fills in defaults and takes out what makes no sense; the error names
// what that was.
func (o *Options) complete() (err error) {
	if o.SnapshotInterval <= 0 {
		o.SnapshotInterval = DefaultSnapshotInterval
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	modes := make(map[string]Mode, len(o.GaugeModes))
	for name, mode := range o.GaugeModes {
		if !mode.Valid() || mode == mmapstore.ModeNone {
			err = fmt.Errorf("gauge %q: invalid mode %v", name, mode)
			continue
		}
		modes[name] = mode
	}
	o.GaugeModes = modes
	return err
}
