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
// increments a counter for so long, times batches of calls, and prints the batches'
// 99th percentile and that of 99.9.
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
		batches := incrementFor(c, d)
		fmt.Println(batches.percentile(99), batches.percentile(99.9))
	}
	return lines.Err()
}

// batch is how many calls are timed at once. The clock ticks in tens of nanoseconds,
// and one call takes a few.
const batch = 64

func incrementFor(c prometheus.Counter, d time.Duration) *latencies {
	batches := newLatencies()
	for began := time.Now(); ; {
		before := time.Now()
		for range batch {
			c.Inc()
		}
		batches.add(time.Since(before))
		if before.Sub(began) > d {
			return batches
		}
	}
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

// percentiles lets all of them run at once, and returns the medians of what they
// tell.
func (all busyWorkers) percentiles(d time.Duration) (p99, p999 time.Duration, err error) {
	for _, i := range all {
		if _, err := fmt.Fprintln(i.in, d); err != nil {
			return 0, 0, err
		}
	}
	var most, nearlyAll []time.Duration
	for _, i := range all {
		line, err := i.out.ReadString('\n')
		if err != nil {
			return 0, 0, err
		}
		first, second, _ := strings.Cut(strings.TrimSpace(line), " ")
		one, err := time.ParseDuration(first)
		if err != nil {
			return 0, 0, err
		}
		other, err := time.ParseDuration(second)
		if err != nil {
			return 0, 0, err
		}
		most, nearlyAll = append(most, one), append(nearlyAll, other)
	}
	return median(most), median(nearlyAll), nil
}

func (all busyWorkers) close() error {
	var errs []error
	for _, i := range all {
		_ = i.in.Close()
		errs = append(errs, i.cmd.Wait())
	}
	return errors.Join(errs...)
}
