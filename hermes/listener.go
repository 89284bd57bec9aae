//go:build unix

package hermes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"golang.org/x/sys/unix"
)

// Options are the choices of Listen. Config and Dir are needed, the zero values of
// the others work.
type Options struct {
	Config *Config
	// Dir is the multiprocess directory in which the listener has its file, as any
	// worker. Until it is there counts wait in memory.
	Dir string
	// Addresses are host:port, udp://host:port or unixgram:///path; a socket is for
	// its owner and group, unless ?mode=0666 says otherwise. Default: DefaultAddress.
	Addresses []string
	// MaxSeries caps the label sets of each metric. Default: DefaultMaxSeries.
	MaxSeries int
	// MaxPacketSize is how many bytes a datagram may have, beside white space after
	// it. Default: DefaultMaxPacketSize.
	MaxPacketSize int
	// CounterAmounts lets the payload of a counter say how much to add, as amount or
	// value. Hermes does not look at these and adds 1.
	CounterAmounts bool
	// ReceiveBuffer is for how many bytes of datagrams that are not read yet the
	// kernel is asked, for each UDP socket. Default: DefaultReceiveBuffer.
	ReceiveBuffer int
	// Last shows what is merged, so that gauges go on from where they were, and label
	// sets of earlier files count. It is asked at the start, and by a Reload that brings
	// metrics. Default: gauges begin with 0, and label sets with none.
	Last prometheus.Gatherer
	// Logger hears of sockets and of trouble, but not of single datagrams. Default:
	// slog.Default().
	Logger *slog.Logger
}

// Defaults of Options.
const (
	DefaultMaxSeries     = 10_000
	DefaultMaxPacketSize = 2048     // where Hermes cuts
	DefaultReceiveBuffer = 16 << 20 // some 40,000 small datagrams, as Linux doubles it
)

// Limits of Options.
const (
	MaxPacketSize    = 1 << 16   // more than IP carries in a datagram
	MaxReceiveBuffer = 1<<30 - 1 // which doubled is what the kernel can count
)

// identity is the label pid of gauges that have one for each process.
const identity = "hermes"

func (o *Options) complete() error {
	switch {
	case o.Config == nil || o.Dir == "":
		return errors.New("a configuration and a directory are needed")
	case o.MaxSeries < 0:
		return fmt.Errorf("MaxSeries of %d: must not be below 0", o.MaxSeries)
	case o.MaxPacketSize < 0 || o.MaxPacketSize > MaxPacketSize:
		return fmt.Errorf("MaxPacketSize of %d: must be from 0 to %d", o.MaxPacketSize, MaxPacketSize)
	case o.ReceiveBuffer < 0 || o.ReceiveBuffer > MaxReceiveBuffer:
		return fmt.Errorf("ReceiveBuffer of %d: must be from 0 to %d", o.ReceiveBuffer, MaxReceiveBuffer)
	}
	setDefault(&o.MaxSeries, DefaultMaxSeries)
	setDefault(&o.MaxPacketSize, DefaultMaxPacketSize)
	setDefault(&o.ReceiveBuffer, DefaultReceiveBuffer)
	if len(o.Addresses) == 0 {
		o.Addresses = []string{DefaultAddress}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}

func setDefault(n *int, value int) {
	if *n == 0 {
		*n = value
	}
}

// Listener receives datagrams and counts what they say. Goroutines may share it.
type Listener struct {
	options Options
	sockets []*socket

	reloading sync.Mutex // one at a time replaces the table; taken before mu

	// mu guards the table. A batch of datagrams is counted under it.
	mu    sync.Mutex
	table *table
}

// Listen opens the file and the sockets. Datagrams wait in the kernel until Run. It
// fails if an address cannot be had or the directory cannot be written to; where that
// is full, or not there yet, counts wait in memory, as those of any worker.
func Listen(o Options) (*Listener, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("hermes: %w", err)
	}
	l := &Listener{options: o}
	var err error
	if l.table, err = newTable(o.Config, &l.options); err != nil && !isLack(err) {
		return nil, errors.Join(fmt.Errorf("hermes: count in %s: %w", o.Dir, err), l.table.store.Close())
	}
	l.table.resume(l.last())
	for _, s := range o.Addresses {
		if err := l.open(s); err != nil {
			l.close()
			return nil, errors.Join(fmt.Errorf("hermes: %w", err), l.table.store.Close())
		}
	}
	return l, nil
}

func (l *Listener) open(s string) error {
	a, err := parseAddress(s)
	if err != nil {
		return err
	}
	socket, err := listen(a, l.options.ReceiveBuffer, l.options.Logger)
	if err == nil {
		l.sockets = append(l.sockets, socket)
	}
	return err
}

// last is what is merged, as far as that can be read.
func (l *Listener) last() []*dto.MetricFamily {
	if l.options.Last == nil {
		return nil
	}
	last, err := l.options.Last.Gather()
	if err != nil {
		l.options.Logger.Warn("Gauges of Hermes begin with 0, as their last values cannot be read", "err", err)
	}
	return last
}

// isLack reports whether an error may go away: a worker tries again.
func isLack(err error) bool {
	for _, lack := range []error{os.ErrNotExist, unix.ENOSPC, unix.EDQUOT, unix.EMFILE, unix.ENFILE, unix.ENOMEM} {
		if errors.Is(err, lack) {
			return true
		}
	}
	return false
}

// close closes what Listen has opened.
func (l *Listener) close() {
	for _, s := range l.sockets {
		s.close()
	}
}

// Run counts datagrams until ctx ends, and then what has come until then. The
// listener is closed when it returns: call it once.
func (l *Listener) Run(ctx context.Context) error {
	var readers sync.WaitGroup
	for _, s := range l.sockets {
		readers.Go(func() { l.read(ctx, s) })
		defer context.AfterFunc(ctx, s.stop)()
	}
	readers.Go(func() { l.keep(ctx) })
	readers.Wait()
	l.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.table.store.Close()
}

// retryAfter is how long a socket rests that cannot be read.
const retryAfter = 100 * time.Millisecond

// read receives on one socket until ctx ends, and then what has come until then.
func (l *Listener) read(ctx context.Context, s *socket) {
	r := newReader(l, s)
	defer r.reportLoss(0)
	log := l.options.Logger
	for troubled := false; ctx.Err() == nil; {
		err := s.receive(r.batch, r.count)
		if err != nil && !troubled {
			log.Error("Cannot receive datagrams, trying again", "err", err)
		}
		if troubled = err != nil; troubled {
			wait(ctx, retryAfter)
		}
	}
	s.refuse()
	if err := s.drain(r.batch, r.count); err != nil {
		log.Error("Cannot receive the last datagrams", "err", err)
	}
	r.count(0) // what the kernel has dropped
}

// wait waits so long, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Reload makes another configuration hold from the next datagram on. All that was
// counted stays. It fails, and changes nothing, if there is no file for it.
func (l *Listener) Reload(c *Config) error {
	l.reloading.Lock()
	defer l.reloading.Unlock()
	if reflect.DeepEqual(c.Metrics, l.table.config.Metrics) {
		return nil
	}
	return l.replace(c)
}

// replace closes the file, as if this process had died, and goes on in another. The
// caller holds reloading, under which alone the table is replaced.
func (l *Listener) replace(c *Config) error {
	next, err := newTable(c, &l.options)
	if err != nil {
		return errors.Join(fmt.Errorf("hermes: count in %s: %w", l.options.Dir, err), next.store.Close())
	}
	if next.hasOthers(l.table) {
		next.resume(l.last())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.table
	carried := next.take(old)
	if err := old.store.Close(); err != nil {
		return errors.Join(fmt.Errorf("hermes: close %s: %w", old.store.Path(), err), next.store.Close())
	}
	next.give(carried)
	l.table = next
	return nil
}

// keepInterval is how long a listener may count in a file that has no name any more.
const keepInterval = 5 * time.Second

// keep makes another file when somebody has removed the one in which counts are, until
// ctx ends. Counts without a name would go with this process; what the removed file has
// is the archiver's to keep, as of any process.
func (l *Listener) keep(ctx context.Context) {
	ticker := time.NewTicker(keepInterval)
	defer ticker.Stop()
	for troubled := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := l.keepNow()
		if err != nil && !troubled {
			l.options.Logger.Error("The file of Hermes' metrics was removed, and there can be no other yet", "err", err)
		}
		troubled = err != nil
	}
}

func (l *Listener) keepNow() error {
	l.reloading.Lock()
	defer l.reloading.Unlock()
	path := l.table.store.Path()
	if path == "" { // it waits for room
		return nil
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := l.replace(l.table.config); err != nil {
		return err
	}
	l.options.Logger.Warn("The file of Hermes' metrics was removed, counting in another", "removed", path)
	return nil
}

// Collectors are metrics about the listener, beside those in its file.
func (l *Listener) Collectors() []prometheus.Collector {
	buffers := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "promfold_hermes_receive_buffer_bytes",
		Help: "Bytes that the kernel grants for datagrams that are not read yet, by address; it counts some 800 for a small one.",
	}, []string{"address"})
	for _, s := range l.sockets {
		if s.network != "udp" {
			continue
		}
		buffers.WithLabelValues(s.local.String()).Set(float64(s.buffer))
	}
	return []prometheus.Collector{buffers}
}
