package pdc

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/redisstore/foreign"
)

// Options are the choices of New.
type Options struct {
	// Prefix of the keys, without the underscore behind it. Default: none, as release
	// 1.2.2 has it; then every hash of the database is looked at.
	Prefix string
	// Help of the metrics, which the library does not store.
	Help foreign.Help
	// Logger hears of fields that are left out, once each. Default: slog.Default().
	Logger *slog.Logger
	// Now gives the time of day. Default: time.Now.
	Now func() time.Time
}

// Reader reads the metrics under one prefix. Goroutines may share it.
type Reader struct {
	client redis.UniversalClient
	prefix string
	help   foreign.Help
	ledger *foreign.Ledger
	book   *foreign.Book
}

// New makes a reader. It does not close the client.
func New(client redis.UniversalClient, o Options) *Reader {
	name := "pdc:" + o.Prefix
	return &Reader{
		client: client, prefix: o.Prefix, help: o.Help,
		ledger: foreign.NewLedger(name, o.Logger), book: foreign.NewBook(name, o.Now),
	}
}

// Collectors are metrics of what cannot be shown, or not as it is stored.
func (r *Reader) Collectors() []prometheus.Collector { return r.ledger.Collectors() }

// Read returns what is stored now, as a source that does not change. It fails if the
// store cannot be read; a field that is no good is left out.
func (r *Reader) Read(ctx context.Context) ([]aggregate.Source, error) {
	pattern := "*"
	if r.prefix != "" {
		pattern = foreign.Escape(r.prefix) + "_*"
	}
	keys, err := foreign.ScanHashes(ctx, r.client, pattern)
	if err != nil {
		return nil, fmt.Errorf("list the keys of prefix %q: %w", r.prefix, err)
	}
	round := r.ledger.Begin()
	d := NewDecoder(r.prefix, round)
	hashes := foreign.Hashes{Client: r.client, Take: d.Add, Wanted: d.Ours}
	if err := hashes.Read(ctx, d.named(keys)); err != nil {
		return nil, fmt.Errorf("read the hashes of prefix %q: %w", r.prefix, err)
	}
	source := r.book.Bind(d.Table(), r.help)
	round.Close()
	return []aggregate.Source{source}, nil
}
