package client

import (
	"errors"
	"fmt"
	"syscall"
)

// Of NewClient, and of every call on a Client from New: the address is none.
var (
	ErrAddress = errors.New("hermes: not an address")
	// ErrOption: an option has a value that it cannot have.
	ErrOption = errors.New("hermes: not a valid option")
)

// Of a metric call: the packet can never be sent. Stats.Invalid counts these.
var (
	// ErrAmount: a counter cannot grow by a negative, infinite or NaN amount.
	ErrAmount = errors.New("hermes: not an amount by which a counter can grow")
	// ErrValue: JSON has no infinity and no NaN.
	ErrValue = errors.New("hermes: not a value that JSON can carry")
	// ErrTooLarge: the packet is larger than Options.MaxPacketSize, or than the
	// kernel lets a datagram be. The usual cause is a long label value.
	ErrTooLarge = errors.New("hermes: packet too large")
)

// Of a metric call: the packet was not sent, or another was not.
var (
	// ErrFull: the queue, or that of the kernel, has no room. The receiver is
	// stopped or slower than the senders. Stats.Dropped counts these.
	ErrFull = errors.New("hermes: queue full, packet dropped")
	// ErrNotConnected: the socket could not be made, or its peer has gone; errors.Is
	// finds the cause too. It is tried again every Options.DialInterval.
	ErrNotConnected = errors.New("hermes: not connected")
	// ErrRefused: nobody listened when an earlier packet arrived. The packet of this
	// call was sent, though with nobody there yet it will fare the same.
	// errors.Is(ErrRefused, syscall.ECONNREFUSED) holds.
	ErrRefused = fmt.Errorf("hermes: an earlier packet found no listener: %w", syscall.ECONNREFUSED)
)

// ErrClosed is of every call after Close. Nothing counts these.
var ErrClosed = errors.New("hermes: client is closed")
