//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// peer is a process that merges a directory with its own client whenever it is
// told to, and takes the time itself: neither its start nor HTTP is in it.
type peer struct {
	cmd *meter
	in  io.WriteCloser
	out *bufio.Reader

	root string // where it may write
}

func (l *lab) clientPython(dir string) (*peer, error) {
	return l.startPeer(l.python, "client_python.py", dir)
}
func (l *lab) gitlab(dir string) (*peer, error) { return l.startPeer(l.ruby, "gitlab.rb", dir) }

func (l *lab) startPeer(interpreter, script, dir string) (*peer, error) {
	// For Ruby, which otherwise makes a directory that it does not use.
	return l.startScript([]string{"prometheus_multiproc_dir=" + dir, "PROMETHEUS_MULTIPROC_DIR=" + dir}, interpreter, script, dir)
}

// startScript starts one with variables of its own.
func (l *lab) startScript(variables []string, interpreter, script string, args ...string) (*peer, error) {
	cmd := l.metered(interpreter, append([]string{filepath.Join(l.peers, script)}, args...)...)
	cmd.Env = append(os.Environ(), variables...)
	cmd.Stderr = l.log
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &peer{cmd, in, bufio.NewReader(out), l.root}, nil
}

// merge is one merge.
func (p *peer) merge() (time.Duration, error) { return p.ask("time") }

// samples is what the peer makes of the directory.
func (p *peer) samples() (*exposition, error) {
	path := filepath.Join(p.root, "exposition")
	if _, err := p.ask("write " + path); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parse(string(text))
}

func (p *peer) ask(command string) (time.Duration, error) {
	if _, err := io.WriteString(p.in, command+"\n"); err != nil {
		return 0, fmt.Errorf("%s: %w", p.cmd, err)
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("%s: %w", p.cmd, err)
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(line), 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", p.cmd, err)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// close ends the process and returns the most memory that it ever had.
func (p *peer) close() (peakRSS int64, err error) {
	_ = p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		return 0, fmt.Errorf("%s: %w", p.cmd, err)
	}
	_, peakRSS, err = p.cmd.read()
	return peakRSS, err
}
