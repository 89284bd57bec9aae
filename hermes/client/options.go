package client

import (
	"fmt"
	"time"
)

// Options of a Client. The zero value works.
type Options struct {
	// Queue is how many packets may wait for the goroutine that then sends them; as
	// many again may be in its hands. 0: there is no queue and no goroutine, each
	// call sends its own packet. Memory is taken as packets wait, for at most
	// 2 x Queue x (MaxPacketSize + 8) bytes, and up to as much again in reserve.
	// When they have gone no more than 1 MiB is kept for each half.
	Queue int
	// FlushInterval is how long the goroutine collects packets after it has sent
	// some, unless the queue is half full before. It is what a kill can lose, and
	// spares the calls from waking the goroutine each. Default 10ms.
	FlushInterval time.Duration
	// MaxPacketSize in bytes. A larger packet is refused with ErrTooLarge. Default
	// 2048: Hermes' own server reads no more of a packet.
	MaxPacketSize int
	// CloseTimeout bounds what Close takes to empty the queue. Default 1s.
	CloseTimeout time.Duration
	// DialInterval is the least time from one attempt to connect to the next.
	// Default 1s.
	DialInterval time.Duration
	// LookupTimeout bounds one look-up of a host's name. Default 1s.
	LookupTimeout time.Duration
	// LookupInterval is how long the address found for a host's name is used before
	// the name is looked up again, beside the calls. Default 30s.
	LookupInterval time.Duration
}

const (
	defaultMaxPacketSize  = 2048
	defaultFlushInterval  = 10 * time.Millisecond
	defaultCloseTimeout   = time.Second
	defaultDialInterval   = time.Second
	defaultLookupTimeout  = time.Second
	defaultLookupInterval = 30 * time.Second
)

// complete fills in the defaults, or says what cannot be.
func (o Options) complete() (Options, error) {
	if o.Queue < 0 {
		return o, fmt.Errorf("%w: Queue %d", ErrOption, o.Queue)
	}
	if o.MaxPacketSize < 0 {
		return o, fmt.Errorf("%w: MaxPacketSize %d", ErrOption, o.MaxPacketSize)
	}
	if o.MaxPacketSize == 0 {
		o.MaxPacketSize = defaultMaxPacketSize
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		usual time.Duration
	}{
		{"FlushInterval", &o.FlushInterval, defaultFlushInterval},
		{"CloseTimeout", &o.CloseTimeout, defaultCloseTimeout},
		{"DialInterval", &o.DialInterval, defaultDialInterval},
		{"LookupTimeout", &o.LookupTimeout, defaultLookupTimeout},
		{"LookupInterval", &o.LookupInterval, defaultLookupInterval},
	} {
		if *d.value < 0 {
			return o, fmt.Errorf("%w: %s %v", ErrOption, d.name, *d.value)
		}
		if *d.value == 0 {
			*d.value = d.usual
		}
	}
	return o, nil
}
