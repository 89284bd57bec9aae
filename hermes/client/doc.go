// Package client sends metrics to promfold, or to Hermes' own server, as JSON
// datagrams over UDP or a unix socket. Nothing that it does blocks the
// application, and it needs the standard library alone.
//
// # Moving from Hermes
//
// Change one import:
//
//	import hermes_client "github.com/promfold/promfold/hermes/client"
//
// New and the metric calls take the same arguments and send the same bytes, and
// Hermes' own server understands them. The calls return an error, where those of
// Hermes return nothing and hide it. What Hermes' package exports besides, its
// packet types, error variables and the two fields of HermesClient, is not here;
// New alone makes a Client. Nothing is logged.
//
// Hermes' client looks up the host and opens a socket for each packet. A Client
// does so once and then keeps the socket; a name is looked up again now and then,
// and at once when nobody listens at its address. So make one Client and share it.
//
// A name with addresses of both kinds is tried by IPv4 first, because a listener
// has 127.0.0.1 or 0.0.0.0 unless told otherwise.
//
// # Sharing and ownership
//
// All methods of a Client may be called by many goroutines. Whoever made it closes
// it; after Close every call returns ErrClosed. Labels belong to the caller and are
// not kept. A Client without a queue that is forgotten costs nothing: the garbage
// collector closes its socket. With a queue it has a goroutine, which Close ends.
//
// # What a call does
//
// Without a queue a call writes its datagram itself and never waits: where the
// kernel has no room, as with a unix socket whose reader has stopped, the packet is
// dropped, counted, and ErrFull returned. One call alone can wait: the first to a
// host's name waits for the look-up, for at most Options.LookupTimeout.
//
// With Options.Queue a call copies its packet into the queue and returns; one
// goroutine sends. It does wait for room, and for a connection, so the queue bridges
// a restart of the receiver behind a unix socket. A full queue drops what comes, and
// says so. The goroutine collects for Options.FlushInterval, and what it has not sent
// is lost if the process is killed, or exits without Flush or Close. The queue pays
// where calls are to cost less than a system call, or where packets must outlive a
// pause of the receiver; else do without.
//
// UDP tells a sender little. If nobody listens on the same machine, or a near one,
// the kernel learns it after the packet has gone and reports it at the next; that
// one is sent nevertheless and its call returns ErrRefused. A receiver that has no
// room drops silently: promfold counts such packets. A unix socket tells everything.
//
// Stats counts what became of the packets.
package client
