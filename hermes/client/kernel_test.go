//go:build unix

package client

import (
	"errors"
	"syscall"
	"testing"
)

// scripted answers for the kernel as long as it has answers.
type scripted struct {
	syscall.RawConn
	answers []error
}

func (s *scripted) Control(f func(uintptr)) error {
	if len(s.answers) == 0 {
		return s.RawConn.Control(f)
	}
	err := s.answers[0]
	s.answers = s.answers[1:]
	return err
}

// Property: whatever the kernel answers, a packet is sent once or not at all, and
// the call and the counts say which. A call bears the refusals of three other
// packets and is sent; of a fourth it is not.
func TestAnswersOfTheKernel(t *testing.T) {
	refused := syscall.ECONNREFUSED
	for _, tt := range []struct {
		answers []error
		err     error
		counts  Stats
	}{
		{nil, nil, Stats{Sent: 1}},
		{[]error{syscall.EAGAIN}, ErrFull, Stats{Dropped: 1}},
		{[]error{syscall.ENOBUFS}, ErrFull, Stats{Dropped: 1}},
		{[]error{syscall.EMSGSIZE}, ErrTooLarge, Stats{Invalid: 1}},
		{[]error{refused}, ErrRefused, Stats{Sent: 1, Refused: 1}},
		{[]error{refused, refused, refused}, ErrRefused, Stats{Sent: 1, Refused: 3}},
		{[]error{refused, refused, refused, refused}, refused, Stats{Failed: 1, Refused: 4}},
		{[]error{refused, syscall.ENOBUFS}, ErrFull, Stats{Dropped: 1, Refused: 1}},
		{[]error{syscall.EPERM}, nil, Stats{Sent: 1}}, // by another socket
	} {
		p := udpPeer(t, "127.0.0.1:0")
		c := client(t, p.addr, Options{DialInterval: 1})
		s, err := c.link.socket()
		if err != nil {
			t.Fatal(err)
		}
		s.raw = &scripted{s.raw, tt.answers}
		if err := c.IncrementCounter("c", nil); !errors.Is(err, tt.err) {
			t.Errorf("%v: error is %v, want %v", tt.answers, err, tt.err)
		}
		check(t, c, tt.counts)
		if tt.counts.Sent > 0 {
			p.next()
		}
		p.none()
	}
}
