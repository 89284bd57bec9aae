//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

func main() {
	if err := dispatch(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// dispatch measures, or is one of the processes that a measurement needs.
func dispatch() error {
	if len(os.Args) > 1 {
		if role, ok := roles[os.Args[1]]; ok {
			return role(os.Args[2:])
		}
	}
	only := flag.String("only", "", "measure the rows whose path matches this `regexp`")
	profile := flag.String("profile", "", "print where our side's time goes in the rows that match this `regexp`, and measure nothing")
	quick := flag.Bool("quick", false, "use small sets: the table is complete, and its figures mean nothing")
	results := flag.String("results", "", "write the table, the machine and the notes to this `file`")
	plotFile := flag.String("plot", "", "write the plot of scrape time against dead processes to this `file`")
	repository := flag.String("C", ".", "the repository's `directory`")
	flag.Parse()
	l, err := newLab(*repository, *quick)
	if err != nil {
		return err
	}
	defer l.close()
	done := make(chan error, 1)
	go func() { done <- l.work(*only, *profile, *results, *plotFile) }()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE)
	select {
	case err := <-done:
		return err
	case <-signals: // nobody else would remove the files, which are large
		return errors.New("interrupted")
	}
}

// work profiles or measures, and writes what came of it.
func (l *lab) work(only, profile, results, plotFile string) error {
	if profile != "" {
		return l.profileAll(profile)
	}
	rows, err := l.measureAll(only)
	if err != nil {
		return err
	}
	fmt.Print(table(rows))
	if l.quick {
		fmt.Println("\nMeasured with small sets, not with those that the rows name: this only shows that all of it works.")
	}
	if plotFile != "" {
		err = l.plot.write(plotFile)
	}
	if results == "" {
		return err
	}
	text, failed := l.report(rows)
	if failed == nil {
		failed = os.WriteFile(results, []byte(text), 0o644) //nolint:gosec // G306: for all to read
	}
	return errors.Join(err, failed)
}

// groups is the table, in its order.
func groups() []*group {
	var all []*group
	all = append(all, commonScrapes()...)
	all = append(all, changedScrapes(), nativeScrapes(), newArchiving().group(), besideArchive(), newDeadPIDs())
	all = append(all, writerGroups()...)
	all = append(all, hermesSpeeds()...)
	all = append(all, hermesBursts()...)
	all = append(all, redisSpeeds()...)
	all = append(all, redisTraffic())
	all = append(all, redisSizes()...)
	all = append(all, fleetsOf100()...)
	return append(all, allocations(), sidecarMemory(), newCrowd(), newLifetimes())
}

// measureAll returns the rows that match, measured.
func (l *lab) measureAll(only string) ([]*row, error) {
	re, err := regexp.Compile(only)
	if err != nil {
		return nil, err
	}
	var rows []*row
	for _, g := range groups() {
		if !g.matches(re) {
			continue
		}
		began := time.Now()
		if err := g.run(l); err != nil {
			return nil, err
		}
		for _, r := range g.rows {
			if re.MatchString(r.path) {
				l.say("%s", r.line())
				rows = append(rows, r)
			}
		}
		l.say("  in %v", time.Since(began).Round(time.Second))
	}
	return rows, nil
}

func (l *lab) profileAll(only string) error {
	re, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	for _, g := range groups() {
		if g.matches(re) && g.profile != nil {
			if err := g.profile(l); err != nil {
				return err
			}
		}
	}
	return nil
}
