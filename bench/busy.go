//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/worker"
)

// countBusily is a worker process: for each line on standard input, a duration, it
// increments a counter for so long, times each call, and prints the 99th
// percentile.
func countBusily(args []string) error {
	store, err := worker.New(args[0])
	if err != nil {
		return err
	}
	defer store.Close() //nolint:errcheck // the process ends anyhow
	c := worker.With(store).NewCounter(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		d, err := time.ParseDuration(lines.Text())
		if err != nil {
			return err
		}
		fmt.Println(incrementFor(c, d))
	}
	return lines.Err()
}

// longest is more than the 99th percentile of anything but a machine that stands.
const longest = 1 << 20 // nanoseconds

func incrementFor(c prometheus.Counter, d time.Duration) time.Duration {
	counts := make([]uint32, longest+1)
	n := 0
	for began := time.Now(); ; n++ {
		before := time.Now()
		c.Inc()
		counts[min(time.Since(before), longest)]++
		if before.Sub(began) > d {
			break
		}
	}
	below := 0
	for took, count := range counts {
		if below += int(count); below*100 >= n*99 {
			return time.Duration(took)
		}
	}
	return longest
}

// busyWorkers are such processes.
type busyWorkers []*busyWorker

type busyWorker struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func (l *lab) startBusy(dir string, many int) (all busyWorkers, err error) {
	for range many {
		i := &busyWorker{cmd: again("busy", dir)}
		i.cmd.Stderr = l.log
		if i.in, err = i.cmd.StdinPipe(); err != nil {
			return nil, errors.Join(err, all.close())
		}
		out, err := i.cmd.StdoutPipe()
		if err != nil {
			return nil, errors.Join(err, all.close())
		}
		i.out = bufio.NewReader(out)
		if err := i.cmd.Start(); err != nil {
			return nil, errors.Join(err, all.close())
		}
		all = append(all, i)
	}
	return all, nil
}

// p99 lets all of them run at once, and returns the median of their percentiles.
func (all busyWorkers) p99(d time.Duration) (time.Duration, error) {
	for _, i := range all {
		if _, err := fmt.Fprintln(i.in, d); err != nil {
			return 0, err
		}
	}
	var told []time.Duration
	for _, i := range all {
		line, err := i.out.ReadString('\n')
		if err != nil {
			return 0, err
		}
		one, err := time.ParseDuration(strings.TrimSpace(line))
		if err != nil {
			return 0, err
		}
		told = append(told, one)
	}
	return median(told), nil
}

func (all busyWorkers) close() error {
	var errs []error
	for _, i := range all {
		_ = i.in.Close()
		errs = append(errs, i.cmd.Wait())
	}
	return errors.Join(errs...)
}
