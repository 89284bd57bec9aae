// Package client sends metrics to promfold, or to Hermes' own server, as JSON
// datagrams over UDP or a unix socket. No receiver that is slow, stopped or gone
// blocks the application. The package needs the standard library alone.
//
// A program written for Hermes' client changes one line, its import, and keeps the
// name by which it knows the package:
//
//	import hermes_client "github.com/promfold/promfold/hermes/client"
//
// # Moving from Hermes
//
// New and the metric calls take the same arguments and send the same bytes, and
// Hermes' own server understands them. The calls return an error, where those of
// Hermes return nothing and hide it. What Hermes' package exports besides, its
// packet types, error variables and the two fields of HermesClient, is not here: a
// Client is made by New or NewClient. Nothing is logged.
//
// Hermes' client looks up the host and opens a socket for each packet. A Client
// from New does so for its first few, so that one made for each packet, or for each
// request with a few, stays harmless. Then it keeps the socket, as one from NewClient
// does at once, and has the name looked up again every Options.LookupInterval, or
// earlier when nobody listens at its address. So make one Client and share it.
//
// At each look-up the first of the name's addresses is used that can be connected
// to. Those of IPv4 stand first, because a listener has 127.0.0.1 or 0.0.0.0 unless
// told otherwise.
//
// # Sharing and ownership
//
// All methods of a Client may be called by many goroutines. Whoever made it closes
// it; after Close every call returns ErrClosed. Labels belong to the caller and are
// not kept. A Client without a queue may be forgotten: a socket that it keeps is
// closed by the garbage collector. With a queue it has a goroutine, which Close ends.
//
// # What a call does
//
// Without a queue a call writes its datagram itself and does not wait for room:
// where the kernel has none, as with a unix socket whose reader has stopped, the
// packet is dropped, counted, and ErrFull returned. Only the look-up of a host's
// name can make a call wait, for at most Options.LookupTimeout: the calls that come
// before the end of the first look-up wait for that one, and the first few of a
// Client from New each for its own, until one fails. Later look-ups take place
// beside the calls.
//
// With Options.Queue a call copies its packet into the queue and returns; one
// goroutine looks up and sends. It does wait for room, and for a connection, so the
// queue bridges a restart of the receiver behind a unix socket. A full queue drops
// what comes, and says so. The goroutine collects for Options.FlushInterval, and what
// it has not sent is lost if the process is killed, or exits without Flush or Close.
// The queue pays where calls are to cost less than a system call, or where packets
// must outlive a pause of the receiver; else do without.
//
// UDP tells a sender little. If nobody listens on the same machine, or a near one,
// the kernel learns it after the packet has gone and reports it at the next; that
// one is sent nevertheless and its call returns ErrRefused. A receiver that has no
// room drops silently: promfold counts such packets. A unix socket tells everything.
//
// Stats counts what became of the packets, and never waits.
//
// The package is for Unix systems and Windows.
package client
