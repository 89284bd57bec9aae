//go:build linux

package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/hermes"
)

// hermesHere is a listener in this process, where it can be profiled.
type hermesHere struct {
	address string
	dir     string
	stop    context.CancelFunc
	ran     chan error
}

func (l *lab) listenHere() (*hermesHere, error) {
	config, err := hermes.ParseConfig([]byte(hermesConfig))
	if err != nil {
		return nil, err
	}
	h := &hermesHere{ran: make(chan error, 1)}
	if h.dir, err = l.directory(); err != nil {
		return nil, err
	}
	listener, err := hermes.Listen(hermes.Options{
		Config: config, Dir: h.dir, Addresses: []string{"127.0.0.1:0"}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	h.stop = stop
	go func() { h.ran <- listener.Run(ctx) }()
	if h.address, err = addressOf(listener); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

// addressOf is where a listener receives, by what it says of its buffer.
func addressOf(listener *hermes.Listener) (string, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(listener.Collectors()...)
	families, err := registry.Gather()
	if err != nil {
		return "", err
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, pair := range m.GetLabel() {
				if pair.GetName() == "address" {
					return pair.GetValue(), nil
				}
			}
		}
	}
	return "", errors.New("the listener does not say where it receives")
}

func (h *hermesHere) close() error {
	h.stop()
	return errors.Join(<-h.ran, os.RemoveAll(h.dir))
}
