//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// scraper asks over one connection that stays open, in plain text, and reads each
// answer into the same memory, so that hardly any of the time is its own.
type scraper struct {
	address string
	conn    net.Conn
	in      *bufio.Reader
	request string
	body    []byte // the last answer
}

func connect(address string) (*scraper, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	s := &scraper{address: address, conn: conn, in: bufio.NewReaderSize(conn, 64<<10), body: make([]byte, 0, 1<<20)}
	s.request = "GET /-/healthy HTTP/1.1\r\nHost: " + address + "\r\n\r\n"
	if _, err := s.scrape(); err != nil { // so that the server has taken the connection
		_ = conn.Close()
		return nil, err
	}
	s.request = "GET /metrics HTTP/1.1\r\nHost: " + address + "\r\nAccept: text/plain; version=0.0.4\r\n\r\n"
	return s, nil
}

// scrape is one answer: from the request to the end of the body.
func (s *scraper) scrape() (time.Duration, error) { return timed(s.ask) }

func (s *scraper) ask() error {
	if _, err := io.WriteString(s.conn, s.request); err != nil {
		return err
	}
	answer, err := http.ReadResponse(s.in, nil)
	if err != nil {
		return err
	}
	s.body = s.body[:0]
	for err == nil {
		if len(s.body) == cap(s.body) {
			s.body = append(s.body, 0)[:len(s.body)]
		}
		var n int
		n, err = answer.Body.Read(s.body[len(s.body):cap(s.body)])
		s.body = s.body[:len(s.body)+n]
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", answer.Status, s.body)
	}
	return answer.Body.Close()
}

// samples scrapes once and reads the answer.
func (s *scraper) samples() (*exposition, error) {
	if err := s.ask(); err != nil {
		return nil, err
	}
	return s.last()
}

// last is what the last answer says.
func (s *scraper) last() (*exposition, error) { return parse(string(s.body)) }

// settled is the median of some scrapes: one by itself is over too soon to stand
// for what comes beside seconds of a peer.
func (s *scraper) settled() (time.Duration, error) {
	return medianOf(5, s.scrape)
}
