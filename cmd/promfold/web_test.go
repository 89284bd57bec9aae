//go:build unix

package main

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
)

// Property: no client keeps a request for good: not one that takes nothing of a
// large answer, nor one that sends less than it said.
func TestServerGivesUp(t *testing.T) {
	served := make(chan struct{}, 2)
	server := newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { served <- struct{}{} }()
		_, err := io.Copy(io.Discard, r.Body)
		for err == nil { // more than all buffers between us hold
			_, err = w.Write(make([]byte, 1<<20))
		}
	}), slog.New(slog.DiscardHandler))
	if server.ReadTimeout != answerTimeout || server.WriteTimeout != answerTimeout {
		t.Fatalf("reads are bounded by %v, writes by %v", server.ReadTimeout, server.WriteTimeout)
	}
	server.ReadTimeout, server.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // until it is closed
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
	} {
		client, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if _, err := client.Write([]byte(request)); err != nil {
			t.Fatal(err)
		}
		select {
		case <-served:
		case <-time.After(time.Minute):
			t.Errorf("still serving %q", request)
		}
	}
}
