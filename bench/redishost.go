//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/redis/go-redis/v9"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/redisstore"
)

// redisHost is a directory of processes, all of them this one, and its publisher.
type redisHost struct {
	dir       string
	scanned   *directory.Directory
	processes []*redisHere
	publisher *redisstore.Publisher
	about     *prometheus.Registry
}

// host makes one on which each process has the model's series. It publishes from begin
// on.
func (l *lab) host(m *model, processes int) (h *redisHost, err error) {
	dir, err := l.directory()
	if err != nil {
		return nil, err
	}
	h = hostOf(dir)
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	for p := range processes {
		one, err := countHere(h.dir)
		if err != nil {
			return h, err
		}
		h.processes = append(h.processes, one)
		one.change = m.erratic(one.store, p)
		one.change()
		if _, err := one.inc(len(redisQueues)); err != nil {
			return h, err
		}
	}
	return h, nil
}

// hostOf is that of a directory, which it removes when it is closed.
func hostOf(dir string) *redisHost {
	return &redisHost{dir: dir, scanned: directory.New(dir, directory.Options{})}
}

// begin publishes, and returns when Redis has it.
func (h *redisHost) begin(client redis.UniversalClient, name string, interval time.Duration) (err error) {
	h.publisher, err = redisstore.NewPublisher(redisstore.PublisherOptions{
		Client: client, Directory: h.scanned, Host: name, Interval: interval, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	h.about = prometheus.NewRegistry()
	h.about.MustRegister(h.publisher.Collectors()...)
	for began := time.Now(); time.Since(began) < redisPatience; time.Sleep(time.Millisecond) {
		if n, err := h.published("full"); err != nil || n > 0 {
			return err
		}
	}
	return fmt.Errorf("nothing is published of %s", name)
}

// published is how many publications of a kind there were.
func (h *redisHost) published(kind string) (float64, error) {
	families, err := h.about.Gather()
	if err != nil {
		return 0, err
	}
	for _, f := range families {
		if f.GetName() != "promfold_redis_publications_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if labelled(m, "kind", kind) {
				return m.GetCounter().GetValue(), nil
			}
		}
	}
	return 0, fmt.Errorf("the publisher does not count its publications of kind %s", kind)
}

func labelled(m *dto.Metric, name, value string) bool {
	for _, pair := range m.GetLabel() {
		if pair.GetName() == name && pair.GetValue() == value {
			return true
		}
	}
	return false
}

// flush publishes, which must be a publication of the kind.
func (h *redisHost) flush(kind string) error {
	before, err := h.published(kind)
	if err != nil {
		return err
	}
	if err := h.publisher.Flush(context.Background()); err != nil {
		return err
	}
	after, err := h.published(kind)
	if err == nil && after != before+1 {
		err = fmt.Errorf("the publication was none of kind %s", kind)
	}
	return err
}

func (h *redisHost) close() error {
	var errs []error
	if h.publisher != nil {
		errs = append(errs, h.publisher.Close())
	}
	for _, p := range h.processes {
		errs = append(errs, p.store.Close())
	}
	h.scanned.Close()
	return errors.Join(append(errs, os.RemoveAll(h.dir))...)
}
