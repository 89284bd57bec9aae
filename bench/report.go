//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// report is the table with what a reader needs to judge it.
func (l *lab) report(rows []*row) (string, error) {
	var b strings.Builder
	b.WriteString("# promfold beside its peers\n\nWritten by `make bench-peers`. Ratios count; times depend on the machine and on who else is on it.\n\n")
	fmt.Fprintf(&b, "* %s: %s; load average %s at the start, %s at the end\n",
		time.Now().UTC().Format("2006-01-02"), machine(), l.load, loadAverage())
	for _, one := range []struct {
		name    string
		command []string
	}{
		{"client_python", []string{l.python, "-c", "from importlib.metadata import version; print(version('prometheus-client'), 'of PyPI, on Python', __import__('platform').python_version())"}},
		{"prometheus-distributed-client", []string{l.pdc, "-c", "from importlib.metadata import version; print(version('prometheus-distributed-client'), 'of PyPI, with redis', version('redis'), 'and client_python', version('prometheus-client'))"}},
		{"Redis", []string{"redis-server", "--version"}},
		{"GitLab's prometheus-client-mmap", []string{l.ruby, "-e", "require 'prometheus/client/version'; puts Prometheus::Client::VERSION + ' of Debian, on Ruby ' + RUBY_VERSION"}},
		{"client_golang", []string{"go", "list", "-m", "-f", "{{.Version}}", "github.com/prometheus/client_golang"}},
	} {
		said, err := exec.Command(one.command[0], one.command[1:]...).Output() //nolint:gosec // G204: given above
		if err != nil {
			return "", fmt.Errorf("version of %s: %w", one.name, err)
		}
		fmt.Fprintf(&b, "* %s: %s\n", one.name, strings.TrimSpace(string(said)))
	}
	fmt.Fprintf(&b, "* promfold: this tree, %s\n\n%s%s", runtime.Version(), table(rows), notes)
	return b.String(), nil
}

// machine is the processors and the kernel.
func machine() string {
	model := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	var u unix.Utsname
	kernel := "unknown kernel"
	if err := unix.Uname(&u); err == nil {
		kernel = unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
	}
	return fmt.Sprintf("%d cores, %s, %s", runtime.NumCPU(), model, kernel)
}

// loadAverage is how many processes wanted a processor in the last minute: those of
// the suite take one or two, what is more are neighbours.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	last, _, _ := strings.Cut(string(text), " ")
	return last
}

const notes = `
## How to read it

* A row's figure is the median over pairs: both sides measured one after the other, again and again, in the same run. The
  spread is the smallest and the largest of the pairs. *x* is how many times longer the peer takes where the target is *at
  least*, how many times longer promfold takes where it is *at most*.
* Before anything is timed both answers are read with Prometheus' own parser and must have the same samples with the same
  values, to the last bit. When the clock has stopped the answer that was timed, or the last of several, is held to the
  peer's as well. An answer that exposes a series twice is an error, and so is another type where both tell it.
* All files lie on a tmpfs. A process has 1,450 counters, 130 histograms of 15 buckets, 80 of 13, 4 gauges of mode all and 96
  of mode livesum: 4,750 samples in four files, with the keys, padding and file sizes that the clients write. The living
  are held open for writing, as living processes would. A dead pid has left one file of 994 samples: by turns counters
  and histograms. What ` + "`mark_process_dead`" + ` removes is not there.
* promfold's time is that of the real program, ` + "`promfold serve --no-archive`" + `, from the request on a connection that is
  open until the last byte of the answer: listing the directory, finding out who lives, merging, the text, HTTP. *Warm* is
  the median of five scrapes after three; *cold* the first scrape of a process that has just started.
* client_python's time is ` + "`MultiProcessCollector`" + ` in a new registry and ` + "`generate_latest`" + `, GitLab's that of
  ` + "`marshal_multiprocess`" + `, in a process that has done it before: no HTTP, no start, and what the last merge left is
  collected before the clock starts. GitLab's client reads files of its own layout with the same series.
* Archiving is the whole run of ` + "`promfold archive --once`" + `, its start too, but with ` + "`--archive.interval=1ms`" + `: the time
  for which a dead file rests before it is folded, 5 s unless told, is no work.
* Metric calls: both sides through client_golang's interfaces, each pair five slices of 10 ms a side in turn, of which the
  fastest is taken. Two goroutines take slices of 100 ms and begin together; of those slices that count the median is
  taken. A slice counts if both ran at the same time for nine tenths of it and each had a processor for nine tenths of its
  own time. On a machine without two idle cores hardly any does, and with fewer than five pairs the row says *not measured*.
* The busy workers time 64 calls at once, because the clock ticks in tens of nanoseconds; a figure is the median of the four
  workers' percentiles. The p99 sees what makes one of a hundred batches longer, a cache line or a core that is shared.
  Whoever gets the processor in the place of a worker stops it for milliseconds, but that is in so few of millions of
  batches that hardly even the p99.9 sees it.
* Allocations are all that the exporter's handler makes for an answer, in the process of the suite itself, without the HTTP server.
* Hermes datagrams: the processor time, user and system, of the process that receives them, for each that it has counted.
  16,000 wait in the kernel before it is let go, so that it never waits for a sender; both sides have the same receive buffer.
  They are python-hermes' bytes, about 200 counters, 20 gauges and 20 histograms; a value hardly comes twice. The peer is
  Hermes' approach, written for this suite: one datagram a read, decoded by encoding/json, its payload encoded and decoded again, client_golang's
  ` + "`With(labels)`" + `. It logs nothing, where Hermes logs every datagram.
* A burst is of one sender, with a system call for each datagram, and who receives is woken as they come: what a datagram
  costs there has that in it. There the peer has the system's receive buffer, as Hermes has it. What promfold lost must be
  what it says of dropped datagrams, to the last one; if it lost none of all bursts, it must expose what the peer's code
  makes of the same datagrams.
* Redis is one server on the loopback that keeps nothing on disk, and both sides use the same. prometheus-distributed-client
  is as pip installs it. A call of it waits for Redis; files are published meanwhile, each second instead of every 10, by a
  process of promfold beside the one that counts. Both have 20 series of a counter and 20 histograms of 15 buckets. Before anything is timed
  their expositions must agree, and in the end what is published must be what was counted.
* Redis commands are those of ` + "`INFO commandstats`" + `, with those inside of scripts and without what connections begin
  with; bytes are those that the server has received. What prometheus-distributed-client asks is measured with 10 processes for 10 s, each at 1,000
  increments a second or as fast as it can, because two cores have no room for 100 interpreters. Promfold's hosts have 10 processes each, publish
  every 10 s as they do by default, and are measured for 30 s at 10,000 increments a second. Both are told for each increment, times 10,000.
  What reads is on neither side.
* Publications are of one process of Go with its created timestamps. Values are counts of any size and sums with all digits of a
  float64, as those of an application are; the bytes are those of the whole request.
* A fleet's scrape is that of the exporter with a Reader, in a process of its own, over HTTP as above; hosts have one process of
  client_python each. Where they have other series on each host, no two have as many counters. After the first scrape and after each change, what is timed must have the samples that client_python itself merges
  of all hosts' files, but for the label host. *Cold* is the first scrape of a process that has just started. Of
  prometheus-distributed-client ` + "`generate_latest`" + ` is timed, without HTTP; its samples tell also when each series was created.
* Lifetimes have files of their own and share 50 to 50 real processes, which SIGKILL ends.
`
