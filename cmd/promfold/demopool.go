//go:build unix

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// pool is the worker processes of the demo. One goroutine uses it; the counters
// may be read by all.
type pool struct {
	dir        string
	goroutines int // in each worker
	batch      int

	batches atomic.Uint64 // acknowledged
	killed  atomic.Uint64

	workers []*process
}

// process is a worker process.
type process struct {
	cmd     *exec.Cmd
	stdin   io.Closer
	drained chan struct{} // closed when all acknowledgements were read
}

func (p *pool) acknowledged() uint64 { return p.batches.Load() * uint64(p.batch) }

// bound is how many increments may have returned and not been acknowledged: of
// each goroutine that was killed, one batch.
func (p *pool) bound() uint64 { return p.killed.Load() * uint64(p.goroutines*p.batch) }

// start adds a worker.
func (p *pool) start() error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(exe, "demo-worker", "--dir", p.dir,
		"--goroutines", strconv.Itoa(p.goroutines), "--batch", strconv.Itoa(p.batch))
	cmd.SysProcAttr = dieWithParent()
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	r, w, err := os.Pipe() // not StdoutPipe, which Wait would close with acknowledgements in it
	if err != nil {
		return err
	}
	cmd.Stdout = w
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return fmt.Errorf("start a worker: %w", err)
	}
	c := &process{cmd: cmd, stdin: stdin, drained: make(chan struct{})}
	go func() { // ends with the worker, and kill and stop wait for that
		defer close(c.drained)
		p.drain(r)
	}()
	p.workers = append(p.workers, c)
	return nil
}

func (p *pool) drain(r *os.File) {
	defer r.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := r.Read(b)
		p.batches.Add(uint64(n))
		if err != nil {
			return
		}
	}
}

// kill kills a worker, waits for its end and reads its last acknowledgements.
func (p *pool) kill(i int) error {
	c := p.workers[i]
	p.workers = append(p.workers[:i], p.workers[i+1:]...)
	p.killed.Add(1) // before: a look at the bound meanwhile must not be too strict
	if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill a worker: %w", err)
	}
	err := c.cmd.Wait()
	<-c.drained
	if status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		return fmt.Errorf("a worker ended by itself: %w", err)
	}
	return nil
}

// stopTimeout bounds how long workers may take to finish.
const stopTimeout = 10 * time.Second

// stop lets the workers finish what they have begun, and waits for them.
func (p *pool) stop() error {
	for _, c := range p.workers {
		_ = c.stdin.Close() // the signal to stop
	}
	var errs []error
	for _, c := range p.workers {
		late := time.AfterFunc(stopTimeout, func() { _ = c.cmd.Process.Kill() })
		if err := c.cmd.Wait(); err != nil {
			errs = append(errs, fmt.Errorf("stop a worker: %w", err))
		}
		late.Stop()
		<-c.drained
	}
	p.workers = nil
	return errors.Join(errs...)
}
