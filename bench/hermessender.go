//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
)

// sendToHermes is a process that sends: for each line on standard input, a number,
// it sends so many datagrams of a shape as fast as it can, one by each system call,
// and prints a line.
func sendToHermes(args []string) error {
	all := hermesDatagrams(args[1])
	conn, err := net.Dial("udp", args[0]) //nolint:gosec // G704: where the suite says
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	sent := 0
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			return err
		}
		for range n {
			if _, err := conn.Write(all[sent%len(all)]); err != nil {
				return err
			}
			sent++
		}
		fmt.Println(n)
	}
	return lines.Err()
}

// hermesSender is such a process.
type hermesSender struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func (l *lab) sendTo(address, shape string) (*hermesSender, error) {
	s := &hermesSender{cmd: again("hermes-sender", address, shape)}
	s.cmd.Stderr = l.log
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.out = bufio.NewReader(out)
	return s, s.cmd.Start()
}

// send returns when so many datagrams were sent.
func (s *hermesSender) send(n int) error {
	if _, err := fmt.Fprintln(s.in, n); err != nil {
		return err
	}
	if _, err := s.out.ReadString('\n'); err != nil {
		return fmt.Errorf("%s: %w", s.cmd, err)
	}
	return nil
}

func (s *hermesSender) close() error {
	_ = s.in.Close()
	return s.cmd.Wait()
}
