//go:build unix

// Command embedded is one worker of a pre-forked server, which needs no sidecar:
// each worker counts in its file, stands by as archiver, and answers scrapes for
// all workers. They share one port with SO_REUSEPORT, so the kernel decides who
// gets a request, or a scrape.
//
//	export PROMETHEUS_MULTIPROC_DIR=$(mktemp -d -p /dev/shm)
//	for i in 1 2 3; do go run ./examples/embedded & done
//	curl localhost:8080/; curl localhost:8080/metrics
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/worker"
)

// Metrics are made as with promauto, before anything is opened.
var (
	requests = worker.NewCounterVec(prometheus.CounterOpts{
		Name: "http_requests_total", Help: "Requests served by all workers.",
	}, []string{"code"})
	inFlight = worker.WithMode(worker.LiveSum).NewGauge(prometheus.GaugeOpts{
		Name: "http_requests_in_flight", Help: "Requests being served by all workers.",
	})
)

func main() {
	address := flag.String("listen", "localhost:8080", "address shared by all workers")
	flag.Parse()
	if err := run(*address, os.Getenv("PROMETHEUS_MULTIPROC_DIR")); err != nil {
		fmt.Fprintln(os.Stderr, "embedded:", err)
		os.Exit(1)
	}
}

func run(address, path string) (err error) {
	if path == "" {
		return errors.New("set PROMETHEUS_MULTIPROC_DIR to a directory that all workers share")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	store, err := worker.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()

	// Archiver and exporter look at one Directory, so each file is opened once.
	d := directory.New(path, directory.Options{Archiving: true})
	defer d.Close()
	var background sync.WaitGroup
	defer background.Wait()
	defer stop()
	background.Go(func() {
		_ = archiver.New(d, archiver.Options{Interval: time.Second, Logger: slog.Default()}).Run(ctx)
	})

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", hello)
	mux.Handle("GET /metrics", exporter.Handler(d))
	return serve(ctx, address, mux)
}

// hello is what the application is for. The count is made before the answer, so
// whoever has the answer finds it in the metrics.
func hello(w http.ResponseWriter, _ *http.Request) {
	inFlight.Inc()
	defer inFlight.Dec()
	requests.WithLabelValues("200").Inc()
	_, _ = fmt.Fprintf(w, "hello from %d\n", os.Getpid())
}

func serve(ctx context.Context, address string, h http.Handler) error {
	lc := net.ListenConfig{Control: reusePort}
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(server.Shutdown(last), ignoreClosed(<-served))
}

// reusePort lets several processes listen on one address.
func reusePort(_, _ string, c syscall.RawConn) error {
	var set error
	err := c.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	return errors.Join(err, set)
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
