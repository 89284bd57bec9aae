//go:build unix

package hermes

import (
	"context"
	"log/slog"
	"time"

	"github.com/promfold/promfold/internal/sys"
)

// reader counts what comes on one socket. It is for one goroutine.
//
// One goroutine reads a socket: a sender's datagrams are counted in the order in
// which they came, without which a gauge would keep a value that was set before
// another.
type reader struct {
	listener *Listener
	socket   *socket
	batch    *sys.Datagrams
	decoder  *decoder
	memo     memo

	lost       uint64 // dropped by the kernel, and not logged yet
	lostLogged time.Time
}

// lossInterval is the least time between two log lines about losses.
const lossInterval = 10 * time.Second

// maxShown is how many bytes of a rejected datagram are logged.
const maxShown = 200

func newReader(l *Listener, s *socket) *reader {
	return &reader{
		listener: l, socket: s, decoder: newDecoder(),
		batch: sys.NewDatagrams(batchSize, l.options.MaxPacketSize+spaceAfter),
	}
}

// count counts the first n datagrams of the batch.
func (r *reader) count(n int) {
	r.listener.mu.Lock()
	defer r.listener.mu.Unlock()
	t := r.listener.table
	for i := range n {
		datagram, cut := r.batch.Datagram(i)
		why, err := r.countOne(t, datagram, cut)
		if why == accepted {
			t.accepted.Inc()
			continue
		}
		t.rejected[why].Inc()
		r.explain(datagram, why, err)
	}
	if dropped := r.socket.dropped(); dropped > 0 {
		t.dropped.Add(float64(dropped))
		r.lost += uint64(dropped)
		r.reportLoss(lossInterval)
	}
}

// countOne counts a datagram, or the beginning of one that was cut. The error tells
// more of badJSON.
func (r *reader) countOne(t *table, datagram []byte, cut bool) (reason, error) {
	datagram = trimSpace(datagram)
	if cut || len(datagram) > t.options.MaxPacketSize {
		return oversize, nil
	}
	memo := r.memo.of(t)
	if known, ok := memo.find(datagram); ok {
		known.series.apply(known.change)
		return accepted, nil
	}
	p, err := r.decoder.decode(datagram)
	if err != nil {
		return badJSON, err
	}
	found, why := t.find(p)
	if why == accepted {
		found.series.apply(found.change)
		memo.keep(datagram, p, found)
	}
	return why, nil
}

// explain logs a rejected datagram where somebody wants to see that much.
func (r *reader) explain(datagram []byte, why reason, err error) {
	log := r.listener.options.Logger
	if !log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	log.Debug("Rejected a datagram", "address", r.socket.local, "reason", why, "err", err,
		"bytes", len(datagram), "datagram", string(datagram[:min(len(datagram), maxShown)]))
}

// reportLoss logs what the kernel has dropped, if that was not done within an interval.
func (r *reader) reportLoss(interval time.Duration) {
	if r.lost == 0 || time.Since(r.lostLogged) < interval {
		return
	}
	r.listener.options.Logger.Warn("The kernel dropped datagrams, as the receive buffer was full",
		"address", r.socket.local, "datagrams", r.lost, "receive_buffer_bytes", r.socket.buffer)
	r.lost, r.lostLogged = 0, time.Now()
}

// trimSpace cuts off what is white space in JSON after a datagram.
func trimSpace(b []byte) []byte {
	for n := len(b); n > 0; n-- {
		switch b[n-1] {
		case ' ', '\t', '\r', '\n':
		default:
			return b[:n]
		}
	}
	return nil
}
