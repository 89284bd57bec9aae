//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/hermes"
	"github.com/promfold/promfold/mmapstore"
)

// hermesFlags are about datagrams of Hermes' clients.
type hermesFlags struct {
	config  string
	dir     string
	make    bool // dir, if it is not there
	env     hermesEnv
	options hermes.Options
}

func (f *hermesFlags) add(cmd *kingpin.CmdClause) {
	cmd.Flag("hermes.config", "JSON file of Hermes with the metrics that datagrams can change. It switches the listener on. "+
		"See docs/hermes.md.").StringVar(&f.config)
	cmd.Flag("hermes.listen-address", "Where datagrams come: host:port, udp://host:port, or unixgram:///path for a socket, which is "+
		"for its owner and group unless ?mode=0666 follows. Repeatable. Default: "+hermes.DefaultAddress+".").StringsVar(&f.options.Addresses)
	cmd.Flag("hermes.dir", "Multiprocess directory in which the listener counts, served like any --multiproc.dir, and made if it is not there. "+
		"Default: the first --multiproc.dir, which is not made.").StringVar(&f.dir)
	cmd.Flag("hermes.max-series", "Label sets of each metric, above which datagrams with another are rejected.").
		Default(fmt.Sprint(hermes.DefaultMaxSeries)).IntVar(&f.options.MaxSeries)
	cmd.Flag("hermes.max-packet-size", "Bytes of a datagram, above which it is rejected.").
		Default(fmt.Sprint(hermes.DefaultMaxPacketSize)).IntVar(&f.options.MaxPacketSize)
	cmd.Flag("hermes.counter-amounts", "Let the payload of a counter say how much to add, as amount or value. "+
		"Hermes does not look at these and adds 1.").BoolVar(&f.options.CounterAmounts)
	cmd.Flag("hermes.receive-buffer", "Bytes of receive buffer to ask the kernel for, for each UDP socket.").
		Default(fmt.Sprint(hermes.DefaultReceiveBuffer)).IntVar(&f.options.ReceiveBuffer)
	cmd.Flag("hermes.env-compat", "Take Hermes' place: listen, with Hermes' environment variables and defaults (LISTEN_ADDRESS, LISTEN_PORT, "+
		"HERMES_CONFIG_PATH or CONFIG_FILE_PATH, PROMETHEUS_LISTEN_PORT, LOG_LEVEL), where no flag says otherwise.").BoolVar(&f.env.on)
}

// complete fills in the defaults, which may add a directory to those that are
// served, and finds what makes no sense.
func (f *hermesFlags) complete(dirs *dirFlags) error {
	if f.env.on {
		if err := f.env.fill(f, dirs); err != nil {
			return err
		}
	}
	switch {
	case f.config == "" && (len(f.options.Addresses) > 0 || f.dir != ""):
		return usageError{errors.New("--hermes.listen-address and --hermes.dir are for a listener: give --hermes.config as well")}
	case f.config == "":
		return nil
	case f.options.MaxSeries <= 0:
		return usageError{fmt.Errorf("--hermes.max-series=%d: must be above 0", f.options.MaxSeries)}
	case f.options.MaxPacketSize <= 0 || f.options.MaxPacketSize > hermes.MaxPacketSize:
		return usageError{fmt.Errorf("--hermes.max-packet-size=%d: must be above 0 and at most %d", f.options.MaxPacketSize, hermes.MaxPacketSize)}
	case f.options.ReceiveBuffer <= 0 || f.options.ReceiveBuffer > hermes.MaxReceiveBuffer:
		return usageError{fmt.Errorf("--hermes.receive-buffer=%d: must be above 0 and at most %d", f.options.ReceiveBuffer, hermes.MaxReceiveBuffer)}
	}
	for _, a := range f.options.Addresses {
		if err := hermes.CheckAddress(a); err != nil {
			return usageError{fmt.Errorf("--hermes.listen-address: %w", err)}
		}
	}
	return f.completeDir(dirs)
}

// completeDir settles where the listener counts. That is one of the directories that are
// served.
func (f *hermesFlags) completeDir(dirs *dirFlags) error {
	dirs.fromEnvironment()
	if f.dir == "" {
		at := slices.IndexFunc(dirs.patterns, func(p string) bool { return p != "" && !isGlob(p) })
		if at < 0 {
			return usageError{errors.New("no directory for what Hermes' clients count: give --multiproc.dir or --hermes.dir")}
		}
		f.dir = dirs.patterns[at]
		return nil
	}
	f.make = true
	if !slices.ContainsFunc(dirs.patterns, func(p string) bool { return filepath.Clean(p) == filepath.Clean(f.dir) }) {
		dirs.patterns = append(dirs.patterns, f.dir)
	}
	return nil
}

// load reads the configuration.
func (f *hermesFlags) load(log *slog.Logger) (*hermes.Config, error) {
	c, err := hermes.LoadConfig(f.config)
	if err != nil {
		return nil, fmt.Errorf("--hermes.config: %w", err)
	}
	if len(c.Ignored) > 0 {
		log.Warn("Fields of --hermes.config that mean nothing", "file", f.config, "fields", c.Ignored)
	}
	return c, nil
}

// hermesListener is a listener and the flags that it came from.
type hermesListener struct {
	*hermes.Listener
	flags *hermesFlags
	log   *slog.Logger
}

// listen opens the listener that the flags ask for, if any. Its gauges go on from what
// the directories show.
func (f *hermesFlags) listen(dirs *dirFlags, label string, o mmapstore.Overrides, log *slog.Logger) (*hermesListener, error) {
	if f.config == "" {
		return nil, nil
	}
	var err error
	if f.options.Config, err = f.load(log); err != nil {
		return nil, err
	}
	if f.make {
		if err := os.MkdirAll(f.dir, 0o750); err != nil {
			return nil, fmt.Errorf("--hermes.dir: %w", err)
		}
	}
	f.options.Dir, f.options.Logger = f.dir, log
	f.options.Last = prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		shown := dirs.expand()
		if label != "" { // what others show has another label
			shown = []string{f.dir}
		}
		return merged(shown, dirs.options(o))
	})
	l, err := hermes.Listen(f.options)
	if err != nil {
		return nil, err
	}
	return &hermesListener{Listener: l, flags: f, log: log}, nil
}

// merged is what directories show at the moment.
func merged(paths []string, o directory.Options) ([]*dto.MetricFamily, error) {
	options := exporter.Options{Logger: slog.New(slog.DiscardHandler)} // the one that serves will say it
	for _, path := range paths {
		d := directory.New(path, o)
		defer d.Close()
		options.Members = append(options.Members, exporter.Member{Directory: d})
	}
	return exporter.New(options).Gather()
}

// collectors are the listener's, none if there is no listener.
func (l *hermesListener) collectors() []prometheus.Collector {
	if l == nil {
		return nil
	}
	return l.Collectors()
}

// read reads the configuration for a reloader.
func (l *hermesListener) read() (configuration, error) {
	c, err := l.flags.load(l.log)
	if err != nil {
		return configuration{}, err
	}
	return configuration{what: "hermes_metrics", count: len(c.Metrics), apply: func() error { return l.Reload(c) }}, nil
}

// run receives until ctx ends.
func (l *hermesListener) run(ctx context.Context) {
	if err := l.Run(ctx); err != nil {
		l.log.Error("Cannot close the file of Hermes' metrics", "err", err)
	}
}
