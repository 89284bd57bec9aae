//go:build attack && linux

package attack_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

func init() { roles["hermes-send"] = sendHermes }

// What a sender sends.
const (
	hermesCounts = "counts" // in all shapes, one after the other
	hermesSets   = "sets"   // of its gauge, to 1, 2 and so on
)

// sentLedger is what became of a sender's datagrams in its own eyes.
type sentLedger struct {
	Sent     int // by calls that returned no error
	Failed   int // nobody was there
	Duration time.Duration
}

// sendHermes sends datagrams at a steady rate, until it has sent all or stdin ends,
// and then says what it did.
func sendHermes() error {
	network, address, sender, what := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	count, err := strconv.Atoi(os.Args[5])
	if err != nil {
		return err
	}
	perTick, err := strconv.Atoi(os.Args[6])
	if err != nil {
		return err
	}
	var over atomic.Bool
	go func() { // ends with the process, if stdin does not
		_, _ = io.Copy(io.Discard, os.Stdin)
		over.Store(true)
	}()
	s := &hermesSender{network: network, address: address, name: sender, what: what}
	defer s.close()
	began := time.Now()
	// A tick that comes late is not made up for: there are no bursts.
	for tick := time.NewTicker(time.Millisecond); s.done() < count && !over.Load(); <-tick.C {
		for range min(perTick, count-s.done()) {
			if err := s.send(); err != nil {
				return err
			}
		}
	}
	s.Duration = time.Since(began)
	return json.NewEncoder(os.Stdout).Encode(s.sentLedger)
}

// hermesSender is a sender and what it sent.
type hermesSender struct {
	sentLedger
	network, address, name, what string
	conn                         net.Conn
	buffer                       []byte
}

func (s *hermesSender) done() int { return s.Sent + s.Failed }

// send sends the next datagram. Whether somebody is there is no matter.
func (s *hermesSender) send() error {
	n := s.done()
	if s.buffer = s.buffer[:0]; s.what == hermesSets {
		s.buffer = appendSet(s.buffer, s.name, n+1)
	} else {
		s.buffer = appendCounted(s.buffer, s.name, n)
	}
	err := s.write()
	for _, nobody := range []error{syscall.ECONNREFUSED, syscall.ENOENT, syscall.ENOTCONN, syscall.EPIPE, syscall.ECONNRESET} {
		if errors.Is(err, nobody) {
			s.Failed++
			s.close()
			return nil
		}
	}
	if err == nil {
		s.Sent++
	}
	return err
}

func (s *hermesSender) write() (err error) {
	if s.conn == nil {
		if s.conn, err = net.Dial(s.network, s.address); err != nil {
			return err
		}
	}
	_, err = s.conn.Write(s.buffer)
	return err
}

func (s *hermesSender) close() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}

// hermesProcess is a sender in a process of its own.
type hermesProcess struct {
	*rig.Process
	said *rig.Output
}

// startSender starts a process that sends so many datagrams.
func startSender(t *testing.T, network, address, name, what string, count, perTick int) *hermesProcess {
	t.Helper()
	p := &hermesProcess{said: &rig.Output{}}
	c := inRole("hermes-send", network, address, name, what, strconv.Itoa(count), strconv.Itoa(perTick))
	c.Stdin, c.Stdout = true, p.said
	p.Process = rig.Start(t, "sender "+name, c)
	return p
}

// ended waits until it has sent all.
func (p *hermesProcess) ended(t *testing.T) (l sentLedger) {
	t.Helper()
	if err := p.Ended(t, patience); err != nil {
		t.Fatalf("%s: %v\n%s", p.Name, err, p.Out.Tail(10))
	}
	must(t, json.Unmarshal([]byte(p.said.String()), &l))
	return l
}

// stop lets it end now.
func (p *hermesProcess) stop(t *testing.T) sentLedger {
	t.Helper()
	p.Stdin.Close()
	return p.ended(t)
}
