package pdcsqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	_ "modernc.org/sqlite" // the driver

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/redisstore/foreign"
	"github.com/promfold/promfold/redisstore/pdc"
)

// Options are the choices of New.
type Options struct {
	// Help of the metrics, which the library does not store.
	Help foreign.Help
	// Logger hears of fields that are left out, once each. Default: slog.Default().
	Logger *slog.Logger
	// Now gives the time of day. Default: time.Now.
	Now func() time.Time
}

// Reader reads the metrics in one file. Goroutines may share it.
type Reader struct {
	path   string
	help   foreign.Help
	ledger *foreign.Ledger
	book   *foreign.Book
}

// New makes a reader of the file at path. Nothing is opened before the first read.
func New(path string, o Options) *Reader {
	name := "pdc-sqlite:" + path
	return &Reader{path: path, help: o.Help, ledger: foreign.NewLedger(name, o.Logger), book: foreign.NewBook(name, o.Now)}
}

// Collectors are metrics of what cannot be shown, or not as it is stored.
func (r *Reader) Collectors() []prometheus.Collector { return r.ledger.Collectors() }

// Read returns what is stored now, as a source that does not change. It fails if the
// file cannot be read; a row that is no good is left out.
func (r *Reader) Read(ctx context.Context) ([]aggregate.Source, error) {
	round := r.ledger.Begin()
	d := pdc.NewDecoder("", round)
	if err := r.rows(ctx, d); err != nil {
		return nil, fmt.Errorf("read %s: %w", r.path, err)
	}
	source := r.book.Bind(d.Table(), r.help)
	round.Close()
	return []aggregate.Source{source}, nil
}

var errNoFile = errors.New("not a regular file")

// patience is how long a read waits for a writer to end its commit.
const patience = time.Second

// open opens the file to be read alone.
func (r *Reader) open() (*sql.DB, error) {
	info, err := os.Stat(r.path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for somebody to write
		return nil, errNoFile
	}
	name := url.URL{Path: r.path}
	db, err := sql.Open("sqlite", fmt.Sprintf("file:%s?mode=ro&_pragma=busy_timeout(%d)", name.EscapedPath(), patience.Milliseconds()))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// rows decodes the table as it is at one moment, which is that of one statement.
func (r *Reader) rows(ctx context.Context, d *pdc.Decoder) error {
	db, err := r.open()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // nothing was written
	rows, err := db.QueryContext(ctx, "SELECT metric_key, subkey, value FROM metrics ORDER BY metric_key, subkey")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what was wrong
	for rows.Next() {
		var key, field string
		var value any
		if err := rows.Scan(&key, &field, &value); err != nil {
			return err
		}
		d.AddField(key, field, text(value))
	}
	return rows.Err()
}

// text is a value as Redis would hold it. A column of SQLite holds values of any type.
func text(value any) string {
	switch v := value.(type) {
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case int64:
		return strconv.FormatInt(v, 10)
	case string:
		return v
	default:
		return ""
	}
}
