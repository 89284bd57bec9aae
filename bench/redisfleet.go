//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// redisFleet is a process that serves a namespace.
type redisFleet struct {
	*scraper
	cmd *exec.Cmd
}

func (l *lab) fleet(server *redisServer, namespace string) (*redisFleet, error) {
	f := &redisFleet{cmd: again("redis-fleet", server.port, namespace)}
	f.cmd.Stderr = l.log
	if _, err := f.cmd.StdinPipe(); err != nil { // which ends with us
		return nil, err
	}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := f.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		f.scraper, err = connect(strings.TrimSpace(line))
	}
	if err != nil {
		f.close()
		return nil, fmt.Errorf("%s: %w", f.cmd, err)
	}
	return f, nil
}

func (f *redisFleet) close() {
	if f.scraper != nil {
		_ = f.conn.Close()
	}
	endProcess(f.cmd)
}

// publisher is a process that publishes a directory each second, until it is ended.
func (l *lab) publisher(server *redisServer, namespace, dir string) (end func() error, err error) {
	cmd := again("redis-publish", server.port, namespace, dir)
	cmd.Stderr = l.log
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	return func() error { return errors.Join(in.Close(), cmd.Wait()) }, cmd.Start()
}

// redisPatience is for publications, which come each second.
const redisPatience = 20 * time.Second

// await scrapes until samples of a name come to a sum.
func (f *redisFleet) await(name string, want int) error {
	got := 0.0
	for began := time.Now(); time.Since(began) < redisPatience; time.Sleep(20 * time.Millisecond) {
		e, err := f.samples()
		if err != nil {
			return err
		}
		if got = e.Sum(name); got == float64(want) {
			return nil
		}
	}
	return fmt.Errorf("%s comes to %v, %d were counted", name, got, want)
}
