//go:build unix

package hermes

import "testing"

// usual are datagrams as Hermes' clients send them.
var usual = []string{
	`{"metric_name": "fx_jobs_total", "payload": {"labels": {"queue": "mail"}}}`,
	`{"metric_name":"fx_plain_total","payload":{"labels":null}}`,
	`{"metric_name": "fx_depth", "payload": {"operation": "increment", "labels": {"queue": "mail", "host": "h1"}, "value": null}}`,
	`{"metric_name":"fx_depth","payload":{"operation":"set","value":54.25,"labels":{"host":"h1","queue":"é"}}}`,
	`{"metric_name":"fx_latency_seconds","payload":{"observation":0.12345678901234567,"labels":{"queue":"mail"}}}`,
	`{"metric_name": "fx_size_bytes", "payload": {"labels": {"queue": "mail"}, "observation": 20.0}}`,
}

// Property: a datagram in a usual shape, of a series that is there, is received,
// read and counted without an allocation, alone or in a batch.
func TestAllocations(t *testing.T) {
	s := serve(t, Options{})
	conn, socket := s.sender(), s.sockets[0]
	r := newReader(s.Listener, socket)
	counted, ended := make(chan int), make(chan error)
	go func() {
		ended <- socket.receive(r.batch, func(n int) {
			r.count(n)
			counted <- n
		})
	}()
	var datagrams [][]byte
	for _, d := range usual {
		datagrams = append(datagrams, []byte(d))
	}
	all := func() {
		for _, d := range datagrams {
			if _, err := conn.Write(d); err != nil {
				t.Fatal(err)
			}
		}
		for n := 0; n < len(datagrams); {
			n += <-counted
		}
	}
	all()
	if n := testing.AllocsPerRun(100, all); n > 0 {
		t.Errorf("%v allocations for %d datagrams", n, len(datagrams))
	}
	socket.stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	s.checkTally(map[reason]int{accepted: 102 * len(datagrams)})
}
