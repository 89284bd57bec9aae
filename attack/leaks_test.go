//go:build attack && linux

package attack_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/worker"
)

var leakCycles = flag.Int("leak-cycles", 1000, "how many stores are opened and closed; a hundredth as many times a whole kernel is")

func init() { roles["leaks-stores"] = openAndClose }

// openAndClose opens stores, counts and closes them. The metrics of all are held
// to the end, as by a program that has them in variables. It prints what it holds
// after the first and after the last.
func openAndClose() error {
	dir := os.Args[1]
	cycles, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return err
	}
	var metrics []*countingMetrics
	for n := range cycles + 1 {
		store, err := worker.New(dir)
		if err != nil {
			return err
		}
		m := newCountingMetrics(store)
		m.batch(0, 1, 1)
		if err := store.Close(); err != nil {
			return err
		}
		if metrics = append(metrics, m); n > 0 && n < cycles {
			continue
		}
		for _, m := range metrics {
			m.batch(0, 1, 2) // into nothing
		}
		runtime.GC()
		h, err := heldBy(os.Getpid(), dir)
		h.Goroutines = runtime.NumGoroutine()
		if err := errors.Join(err, json.NewEncoder(os.Stdout).Encode(h)); err != nil {
			return err
		}
	}
	return nil
}

// Property: a process that opens and closes stores has no more goroutines,
// descriptors and mappings of files after a thousand of them than after one. What
// stays of each is address space at its cells, since somebody may hold them; the
// system makes one mapping of most of that.
func TestLeaksOfWorker(t *testing.T) {
	dir := rig.NewDirectory(t, rig.User{}, 0o755)
	p := rig.Start(t, "stores", inRole("leaks-stores", dir, strconv.Itoa(*leakCycles)))
	if err := p.Ended(t, 10*patience); err != nil {
		t.Fatalf("%v\n%s", err, p.Out.Tail(20))
	}
	var first, last holding
	said := json.NewDecoder(strings.NewReader(p.Out.String()))
	if err := errors.Join(said.Decode(&first), said.Decode(&last)); err != nil {
		t.Fatalf("%v\n%s", err, p.Out.Tail(20))
	}
	t.Logf("after 1 store: %v; after %d: %v; %d KiB of address space stay of each",
		first, *leakCycles+1, last, (last.Virtual-first.Virtual) / *leakCycles)
	if last.Goroutines > first.Goroutines+1 || last.Descriptors > first.Descriptors || last.Files > 0 ||
		last.Maps > first.Maps+slackMaps+*leakCycles/4 {
		t.Errorf("stores leave something behind: %v after the first, %v after the last", first, last)
	}
	s := rig.StartSidecar(t, promfold(), rig.Seat{}, dir, "--archive.interval=100ms")
	awaitArchived(t, s)
	want := float64((*leakCycles + 1) * increments)
	if got := s.Scraped(t).Sum("attack_whole_total"); got != want {
		t.Errorf("%v were counted before a Close, of %v", got, want)
	}
}

// Property: exporters, archivers and directories that were stopped leave no
// goroutine, descriptor or mapping, whatever was going on.
func TestLeaksOfKernel(t *testing.T) {
	dir := rig.NewDirectory(t, rig.User{}, 0o755)
	store, err := worker.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	newCountingMetrics(store).batch(0, 1, 1)
	runKernel(t, dir) // what is made once is made now
	before := ownHolding(t, dir)
	rounds := max(*leakCycles/100, 1)
	for range rounds {
		runKernel(t, dir)
	}
	var after holding
	rig.Await(t, patience, func() error {
		if after = ownHolding(t, dir); after.Goroutines > before.Goroutines || after.Descriptors > before.Descriptors ||
			after.Files > before.Files || after.Maps > before.Maps+slackMaps {
			return fmt.Errorf("%v, and before %v", after, before)
		}
		return nil
	})
	t.Logf("%d kernels stopped: %v, and before %v", rounds, after, before)
}

func ownHolding(t *testing.T, dir string) holding {
	t.Helper()
	h, err := heldBy(os.Getpid(), dir)
	if err != nil {
		t.Fatal(err)
	}
	h.Goroutines = runtime.NumGoroutine()
	return h
}

// runKernel archives and serves a directory until some scrapes were answered, and
// then stops in the midst of others.
func runKernel(t *testing.T, dir string) {
	t.Helper()
	d := directory.New(dir, directory.Options{Archiving: true})
	a := archiver.New(d, archiver.Options{Interval: 10 * time.Millisecond})
	e := exporter.New(exporter.Options{
		Members: []exporter.Member{{Directory: d, Archiver: a}}, ProcessMetrics: true, Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = a.Run(ctx) })
	server := httptest.NewServer(e)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var answered sync.WaitGroup
	for i := range 8 {
		scrape := func() error { return get(ctx, client, server.URL) }
		if i%2 == 0 {
			running.Go(func() {
				for scrape() == nil { // until it is cut off
				}
			})
			continue
		}
		answered.Go(func() {
			for range 5 {
				if err := scrape(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	answered.Wait()
	shortLife(t, dir)
	cancel()
	running.Wait()
	server.Close()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func get(ctx context.Context, client *http.Client, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// shortLife is a process that counts once and ends.
func shortLife(t *testing.T, dir string) {
	t.Helper()
	store, err := worker.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	worker.With(store).NewCounter(prometheus.CounterOpts{Name: "attack_short_total", Help: "Short lives."}).Inc()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}
