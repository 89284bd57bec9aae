//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/redisstore"
)

// publishToRedis is a process that publishes a directory each second. Its arguments are
// the server's port, the namespace and the directory. It ends with its standard input.
func publishToRedis(args []string) (err error) {
	client := redisAt(args[0])
	defer func() { err = errors.Join(err, client.Close()) }()
	d := directory.New(args[2], directory.Options{})
	defer d.Close()
	p, err := redisstore.NewPublisher(redisstore.PublisherOptions{
		Client: client, Directory: d, Namespace: args[1], Interval: time.Second,
	})
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, p.Close())
}

// serveFleet is a process that serves what all hosts of a namespace have published. Its
// arguments are the server's port and the namespace. It prints where it is scraped, and
// ends with its standard input.
func serveFleet(args []string) (err error) {
	client := redisAt(args[0])
	defer func() { err = errors.Join(err, client.Close()) }()
	reader, err := redisstore.NewReader(redisstore.ReaderOptions{Client: client, Namespace: args[1]})
	if err != nil {
		return err
	}
	fleet := exporter.New(exporter.Options{
		Providers:      []exporter.Provider{redisstore.NewSteady(reader, redisstore.SteadyOptions{Name: args[1]})},
		ProcessMetrics: true,
		Collectors:     reader.Collectors(),
		Logger:         slog.Default(),
	})
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", fleet)
	mux.HandleFunc("/-/healthy", func(http.ResponseWriter, *http.Request) {})
	ended := make(chan error, 2)
	go func() { ended <- http.Serve(web, mux) }() //nolint:gosec // G114: the suite alone asks
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		ended <- err
	}()
	fmt.Println(web.Addr())
	return <-ended
}
