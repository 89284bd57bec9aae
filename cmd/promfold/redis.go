//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/redisstore"
)

// redisFlags are about a fleet, and about what others keep in Redis.
type redisFlags struct {
	config     redisstore.Config
	namespaces []string
	label      string // of the namespace

	publish   bool
	host      string
	ephemeral bool
	interval  time.Duration
	retention time.Duration

	source       bool
	byHost       bool
	hostTTL      time.Duration
	maxStaleness time.Duration

	foreign foreignFlags
}

func (f *redisFlags) add(cmd *kingpin.CmdClause) {
	cmd.Flag("redis.url", "Where the store of a fleet is: redis://host:port/db, rediss:// with TLS, unix:///path, redis+cluster://host,host, "+
		"redis+sentinel://host,host?master=name. See docs/fleet.md.").StringVar(&f.config.URL)
	cmd.Flag("redis.username", "User of Redis' ACL.").StringVar(&f.config.Username)
	cmd.Flag("redis.password-file", "File with the password, read for every connection.").StringVar(&f.config.PasswordFile)
	cmd.Flag("redis.tls-ca-file", "Certificates of who may have signed the server's. Default: the system's.").StringVar(&f.config.CAFile)
	cmd.Flag("redis.tls-cert-file", "Certificate to show to the server.").StringVar(&f.config.CertFile)
	cmd.Flag("redis.tls-key-file", "Key of that certificate.").StringVar(&f.config.KeyFile)
	cmd.Flag("redis.tls-server-name", "Name that the server's certificate must have, if not its host.").StringVar(&f.config.ServerName)
	cmd.Flag("redis.timeout", "How long to wait for Redis.").Default("2s").DurationVar(&f.config.Timeout)
	cmd.Flag("redis.namespace", "Name of the fleet. Repeatable with --redis.source. Default: "+redisstore.DefaultNamespace+".").StringsVar(&f.namespaces)
	cmd.Flag("redis.namespace-label", "Add a label of this name, with the namespace, to every series of --redis.source. "+
		"Without it several namespaces are merged into one.").StringVar(&f.label)
	cmd.Flag("redis.publish", "Publish the directories to Redis.").BoolVar(&f.publish)
	cmd.Flag("redis.host", "Name of this host, for the label host. Default: the machine's.").StringVar(&f.host)
	cmd.Flag("redis.ephemeral", "Nobody goes on from the files of the directories after this process: Redis need not keep what a return would need.").BoolVar(&f.ephemeral)
	cmd.Flag("redis.interval", "Time between publications, and between rounds in which hosts that are gone are folded.").Default("10s").DurationVar(&f.interval)
	cmd.Flag("redis.source", "Serve what all hosts of the namespaces have published.").BoolVar(&f.source)
	cmd.Flag("redis.by-host", "Keep hosts apart, by a label host on every series. All readers of a namespace must agree.").BoolVar(&f.byHost)
	cmd.Flag("redis.host-ttl", "Fold a host into the archive of the namespace when nothing was heard of it for so long.").Default("1h").DurationVar(&f.hostTTL)
	cmd.Flag("redis.retention", "How long Redis remembers what was folded of a host, so that its return counts nothing twice. "+
		"Publishers and readers of a namespace must agree.").Default("24h").DurationVar(&f.retention)
	cmd.Flag("redis.max-staleness", "While Redis cannot be read, answer with the last good state up to this age, and then with 503. 0: any age.").
		Default("5m").DurationVar(&f.maxStaleness)
	f.foreign.add(cmd)
}

// reads reports whether anything in Redis is to be served.
func (f *redisFlags) reads() bool { return f.source || len(f.foreign.what) > 0 }

func (f *redisFlags) complete() error {
	if err := f.foreign.complete(); err != nil {
		return err
	}
	switch needs := f.publish || f.source || f.foreign.needsRedis(); {
	case needs && f.config.URL == "":
		return usageError{errors.New("--redis.publish, --redis.source and --redis.read need --redis.url")}
	case f.config.URL != "" && !needs:
		return usageError{errors.New("--redis.url does nothing without --redis.publish, --redis.source or --redis.read")}
	case f.publish && len(f.namespaces) > 1:
		return usageError{fmt.Errorf("--redis.publish goes to one namespace: give --redis.namespace once, not %d times", len(f.namespaces))}
	case f.publish && f.source:
		return usageError{errors.New("--redis.publish and --redis.source in one process would count its directories twice: give each a process of its own")}
	case f.label != "" && !f.source:
		return usageError{errors.New("--redis.namespace-label is for --redis.source")}
	}
	for name, d := range map[string]time.Duration{
		"interval": f.interval, "host-ttl": f.hostTTL, "retention": f.retention, "timeout": f.config.Timeout,
	} {
		if d <= 0 {
			return usageError{fmt.Errorf("--redis.%s=%v: must be above 0", name, d)}
		}
	}
	if f.maxStaleness < 0 {
		return usageError{fmt.Errorf("--redis.max-staleness=%v: must not be below 0", f.maxStaleness)}
	}
	if len(f.namespaces) == 0 {
		f.namespaces = []string{redisstore.DefaultNamespace}
	}
	for _, name := range f.namespaces {
		if err := redisstore.CheckNamespace(name); err != nil {
			return usageError{fmt.Errorf("--redis.namespace: %w", err)}
		}
	}
	slices.Sort(f.namespaces)
	f.namespaces = slices.Compact(f.namespaces)
	return checkLabel("--redis.namespace-label", f.label)
}

// store is what of Redis takes part in serving.
type store struct {
	flags   *redisFlags
	log     *slog.Logger
	client  redis.UniversalClient // nil if nobody needs it
	readers []*redisstore.Reader
	steady  []*redisstore.Steady
	others  []prometheus.Collector

	mu         sync.Mutex // guards publishers
	publishers []*redisstore.Publisher
}

// open makes a client and readers of what the flags ask for. Nothing is asked of Redis yet.
func (f *redisFlags) open(log *slog.Logger) (*store, error) {
	s := &store{flags: f, log: log}
	if f.config.URL != "" {
		client, err := f.config.Connect()
		if err != nil {
			return nil, fmt.Errorf("--redis.url: %w", err)
		}
		s.client = client
		redis.SetLogger(silent{}) // what fails we say ourselves, once
	}
	if f.source {
		for _, name := range f.namespaces {
			if err := s.addReader(name); err != nil {
				return nil, err
			}
		}
	}
	return s, f.foreign.open(s)
}

// silent is for the library's own log.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

func (s *store) addReader(namespace string) error {
	f := s.flags
	o := redisstore.ReaderOptions{
		Client: s.client, Namespace: namespace, ByHost: f.byHost, HostTTL: f.hostTTL, Interval: f.interval,
		Retention: f.retention, Logger: s.log,
	}
	if f.label != "" {
		o.Labels = []mmapstore.Label{{Name: f.label, Value: namespace}}
	}
	r, err := redisstore.NewReader(o)
	if err != nil {
		return err
	}
	s.readers = append(s.readers, r)
	s.others = append(s.others, r.Collectors()...)
	s.addReading("namespace "+namespace, r)
	return nil
}

// addReading makes a reading one of the providers of scrapes.
func (s *store) addReading(name string, r redisstore.Reading) {
	s.steady = append(s.steady, redisstore.NewSteady(r, redisstore.SteadyOptions{
		Name: name, Timeout: s.flags.config.Timeout, MaxStaleness: s.flags.maxStaleness, Logger: s.log,
	}))
}

func (s *store) providers() (all []exporter.Provider) {
	for _, p := range s.steady {
		all = append(all, p)
	}
	return all
}

func (s *store) collectors() []prometheus.Collector {
	all := slices.Clone(s.others)
	for _, p := range s.steady {
		all = append(all, p.Collectors()...)
	}
	if s.flags.publish {
		all = append(all, redisstore.PublishersCollector(s.published))
	}
	return all
}

func (s *store) published() []*redisstore.Publisher {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.publishers)
}

// publish begins to publish a directory, if the flags ask for that.
func (s *store) publish(d *directory.Directory) {
	if s == nil || !s.flags.publish {
		return
	}
	f := s.flags
	p, err := redisstore.NewPublisher(redisstore.PublisherOptions{
		Client: s.client, Directory: d, Namespace: f.namespaces[0], Host: f.host, Interval: f.interval,
		Retention: f.retention, Ephemeral: f.ephemeral, Logger: s.log,
	})
	if err != nil {
		s.log.Error("Cannot publish a directory", "dir", d.Path(), "err", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.publishers = append(s.publishers, p)
}

// run folds hosts that are gone until ctx ends.
func (s *store) run(ctx context.Context) {
	var rounds sync.WaitGroup
	for _, r := range s.readers {
		rounds.Go(func() { _ = r.Run(ctx) }) // nil: it logs its troubles
	}
	rounds.Wait()
}

// close publishes for the last time and lets go of Redis.
func (s *store) close() {
	var last sync.WaitGroup
	for _, p := range s.published() {
		last.Go(func() {
			if err := p.Close(); err != nil {
				s.log.Warn("Redis does not have the last counts of a directory", "err", err)
			}
		})
	}
	last.Wait()
	if s.client != nil {
		_ = s.client.Close()
	}
}
