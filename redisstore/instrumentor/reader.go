package instrumentor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/redisstore/foreign"
)

// Options are the choices of New.
type Options struct {
	// Namespace is the key of the hash.
	Namespace string
	// Help of metrics of which the hash has none.
	Help foreign.Help
	// Logger hears of fields that are left out, once each. Default: slog.Default().
	Logger *slog.Logger
	// Now gives the time of day. Default: time.Now.
	Now func() time.Time
}

// Reader reads the metrics of one namespace. Goroutines may share it.
type Reader struct {
	client    redis.UniversalClient
	namespace string
	help      foreign.Help
	ledger    *foreign.Ledger
	book      *foreign.Book
}

// New makes a reader. It does not close the client.
func New(client redis.UniversalClient, o Options) *Reader {
	name := "instrumentor:" + o.Namespace
	return &Reader{
		client: client, namespace: o.Namespace, help: o.Help,
		ledger: foreign.NewLedger(name, o.Logger), book: foreign.NewBook(name, o.Now),
	}
}

// Collectors are metrics of what cannot be shown, or not as it is stored.
func (r *Reader) Collectors() []prometheus.Collector { return r.ledger.Collectors() }

var errNoNamespace = errors.New("a namespace must be given")

// Read returns what is stored now, as a source that does not change. It fails if the
// store cannot be read; a field that is no good is left out.
func (r *Reader) Read(ctx context.Context) ([]aggregate.Source, error) {
	if r.namespace == "" {
		return nil, errNoNamespace
	}
	round := r.ledger.Begin()
	d := newDecoder(round)
	hashes := foreign.Hashes{Client: r.client, Take: d.add, NoHash: func(key string) {
		round.Bad(foreign.Where{Key: key}, foreign.BadType, "not a hash")
	}}
	if err := hashes.Read(ctx, []string{r.namespace}); err != nil {
		return nil, fmt.Errorf("read namespace %q: %w", r.namespace, err)
	}
	return []aggregate.Source{r.bind(d)}, nil
}

// bind makes a source of what was decoded, and closes the round. The help in the hash
// goes before that of the options.
func (r *Reader) bind(d *decoder) aggregate.Source {
	help := maps.Clone(r.help)
	if help == nil {
		help = make(foreign.Help)
	}
	maps.Copy(help, d.help)
	source := r.book.Bind(d.table(), help)
	d.round.Close()
	return source
}
