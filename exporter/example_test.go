//go:build unix

package exporter_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/graphite"
	"github.com/prometheus/client_golang/prometheus/push"
	"github.com/prometheus/common/expfmt"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/worker"
)

// exampleDir is a directory with the files of two processes.
func exampleDir() string {
	dir, err := os.MkdirTemp("", "promfold-example")
	if err != nil {
		panic(err)
	}
	for n := range 2 {
		store, err := worker.New(dir)
		if err != nil {
			panic(err)
		}
		worker.With(store).NewCounter(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."}).Add(float64(n + 1))
		if err := store.Close(); err != nil {
			panic(err)
		}
	}
	return dir
}

// A worker of a pre-forked server answers scrapes for all of them.
func ExampleHandler() {
	path := exampleDir()
	defer os.RemoveAll(path)
	d := directory.New(path, directory.Options{})
	defer d.Close()

	mux := http.NewServeMux()
	mux.Handle("/metrics", exporter.Handler(d))

	server := httptest.NewServer(mux)
	defer server.Close()
	answer, err := http.Get(server.URL + "/metrics?name[]=jobs_total")
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(os.Stdout, answer.Body)
	// Output:
	// # HELP jobs_total Jobs.
	// # TYPE jobs_total counter
	// jobs_total 3
}

// The merged metrics of all processes are pushed, as a batch job would.
func ExampleExporter_Gather_push() {
	path := exampleDir()
	defer os.RemoveAll(path)
	d := directory.New(path, directory.Options{})
	defer d.Close()
	e := exporter.New(exporter.Options{Members: []exporter.Member{{Directory: d}}})

	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL.Path)
		families := expfmt.NewDecoder(r.Body, expfmt.ResponseFormat(r.Header))
		_, _ = io.Copy(os.Stdout, toText(families))
	}))
	defer gateway.Close()

	if err := push.New(gateway.URL, "nightly").Gatherer(e).Push(); err != nil {
		panic(err)
	}
	// Output:
	// PUT /metrics/job/nightly
	// jobs_total 3
}

// The merged metrics go to Graphite.
func ExampleExporter_Gather_graphite() {
	path := exampleDir()
	defer os.RemoveAll(path)
	d := directory.New(path, directory.Options{})
	defer d.Close()
	e := exporter.New(exporter.Options{Members: []exporter.Member{{Directory: d}}})

	carbon, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer carbon.Close()

	bridge, err := graphite.NewBridge(&graphite.Config{URL: carbon.Addr().String(), Gatherer: e, Prefix: "app"})
	if err != nil {
		panic(err)
	}
	if err := bridge.Push(); err != nil {
		panic(err)
	}

	conn, err := carbon.Accept()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		panic(err)
	}
	fmt.Println(strings.Join(strings.Fields(line)[:2], " ")) // a time follows
	// Output:
	// app.jobs_total 3
}

// The merged metrics go into a file for the textfile collector of
// node_exporter.
func ExampleExporter_Gather_textfile() {
	path := exampleDir()
	defer os.RemoveAll(path)
	d := directory.New(path, directory.Options{})
	defer d.Close()
	e := exporter.New(exporter.Options{Members: []exporter.Member{{Directory: d}}})

	file := filepath.Join(path, "app.prom")
	if err := prometheus.WriteToTextfile(file, e); err != nil {
		panic(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	fmt.Print(string(b))
	// Output:
	// # HELP jobs_total Jobs.
	// # TYPE jobs_total counter
	// jobs_total 3
}
