//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/hermes"
)

// hermesFlags are about datagrams of Hermes' clients.
type hermesFlags struct {
	config  string
	dir     string
	env     hermesEnv
	options hermes.Options
}

func (f *hermesFlags) add(cmd *kingpin.CmdClause) {
	cmd.Flag("hermes.config", "JSON file of Hermes with the metrics that datagrams can change. It switches the listener on. "+
		"See docs/hermes.md.").StringVar(&f.config)
	cmd.Flag("hermes.listen-address", "Where datagrams come: host:port, udp://host:port, or unixgram:///path for a socket, which is "+
		"for its owner and group unless ?mode=0666 follows. Repeatable. Default: "+hermes.DefaultAddress+".").StringsVar(&f.options.Addresses)
	cmd.Flag("hermes.dir", "Multiprocess directory in which the listener counts; it is made if it is not there. "+
		"Default: the first --multiproc.dir.").StringVar(&f.dir)
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

// completeDir settles where the listener counts. That is one of the directories
// that are served.
func (f *hermesFlags) completeDir(dirs *dirFlags) error {
	dirs.fromEnvironment()
	if f.dir == "" {
		at := slices.IndexFunc(dirs.patterns, func(p string) bool { return p != "" && !isGlob(p) })
		if at < 0 {
			return usageError{errors.New("no directory for what Hermes' clients count: give --multiproc.dir or --hermes.dir")}
		}
		f.dir = dirs.patterns[at]
	}
	if !slices.Contains(dirs.patterns, f.dir) {
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

// listen opens the listener that the flags ask for, if any. Its gauges go on from
// what the directory shows.
func (f *hermesFlags) listen(o directory.Options, log *slog.Logger) (*hermesListener, error) {
	if f.config == "" {
		return nil, nil
	}
	var err error
	if f.options.Config, err = f.load(log); err != nil {
		return nil, err
	}
	d := directory.New(f.dir, o)
	defer d.Close()
	f.options.Dir, f.options.Logger = f.dir, log
	f.options.Last = exporter.New(exporter.Options{
		Members: []exporter.Member{{Directory: d}}, Logger: slog.New(slog.DiscardHandler), // the one that serves will say it
	})
	l, err := hermes.Listen(f.options)
	if err != nil {
		return nil, err
	}
	return &hermesListener{Listener: l, flags: f, log: log}, nil
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
