//go:build unix

package hermes

import (
	"bytes"

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
}

func newReader(l *Listener, s *socket) *reader {
	return &reader{
		listener: l, socket: s, decoder: newDecoder(),
		batch: sys.NewDatagrams(batchSize, l.options.MaxPacketSize+spaceAround),
	}
}

// count counts the first n datagrams of the batch.
func (r *reader) count(n int) {
	r.listener.mu.Lock()
	defer r.listener.mu.Unlock()
	t := r.listener.table
	for i := range n {
		switch why := r.countOne(t, i); why {
		case accepted:
			t.accepted.Inc()
		default:
			t.rejected[why].Inc()
		}
	}
	if dropped := r.socket.dropped(); dropped > 0 {
		t.dropped.Add(float64(dropped))
	}
}

func (r *reader) countOne(t *table, i int) reason {
	datagram, cut := r.batch.Datagram(i)
	datagram = bytes.TrimRight(datagram, jsonSpace)
	if cut || len(datagram) > t.options.MaxPacketSize {
		return oversize
	}
	p, err := r.decoder.decode(datagram)
	if err != nil {
		return badJSON
	}
	return t.count(p)
}

// jsonSpace is the white space of JSON.
const jsonSpace = " \t\r\n"
