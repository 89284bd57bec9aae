//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// sidecar is promfold serve, as an operator runs it.
type sidecar struct {
	*scraper
	cmd     *exec.Cmd
	said    string         // until it listened
	drained sync.WaitGroup // of what it logs after
}

var listening = regexp.MustCompile(`msg="Listening on" address=(127\.0\.0\.1:\d+)`)

// serve starts promfold on a directory and connects to it. Nothing has been
// scraped yet.
func (l *lab) serve(dir string, flags ...string) (*sidecar, error) {
	args := append([]string{"serve", "--multiproc.dir=" + dir, "--web.listen-address=127.0.0.1:0"}, flags...)
	s := &sidecar{cmd: exec.Command(l.promfold, args...)} //nolint:gosec // G204: a program of ours
	log, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(log)
	var said strings.Builder
	for {
		line, err := lines.ReadString('\n')
		said.WriteString(line)
		if err != nil {
			return nil, fmt.Errorf("promfold serve ended: %w\n%s", s.cmd.Wait(), said.String())
		}
		if address := listening.FindStringSubmatch(line); address != nil {
			s.said = said.String()
			s.drained.Go(func() { _, _ = io.Copy(io.Discard, lines) })
			s.scraper, err = connect(address[1])
			if err != nil {
				s.close()
				return nil, err
			}
			return s, nil
		}
	}
}

// warm has been scraped three times.
func (l *lab) warm(dir string) (*sidecar, error) {
	s, err := l.serve(dir, "--no-archive")
	if err != nil {
		return nil, err
	}
	for range 3 {
		if _, err := s.scrape(); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func (s *sidecar) close() {
	if s.scraper != nil {
		_ = s.conn.Close()
	}
	_ = s.cmd.Process.Kill() // it has nothing to lose
	s.drained.Wait()
	_ = s.cmd.Wait()
}

// anonymous is the memory of the process that no file backs, in bytes.
func (s *sidecar) anonymous() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "RssAnon:" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("no RssAnon in the status of process %d", s.cmd.Process.Pid)
}
