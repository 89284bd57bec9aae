package pdcsqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/redisstore/foreign/foreigntest"
	"github.com/promfold/promfold/redisstore/pdcsqlite"
)

// database is a file as the library makes it, in a journal mode, and open for writing.
func database(t *testing.T, path, journal string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	exec(t, db, "PRAGMA journal_mode="+journal)
	exec(t, db, "CREATE TABLE metrics (metric_key TEXT NOT NULL, subkey TEXT NOT NULL, value REAL NOT NULL, PRIMARY KEY (metric_key, subkey))")
	return db
}

func exec(t *testing.T, db interface {
	Exec(query string, args ...any) (sql.Result, error)
}, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatal(err)
	}
}

const insert = "INSERT OR REPLACE INTO metrics VALUES (?, ?, ?)"

// fill writes the rows of the fixture.
func fill(t *testing.T, db *sql.DB) {
	t.Helper()
	b, err := os.ReadFile("testdata/rows.json")
	if err != nil {
		t.Fatal(err)
	}
	var dump struct{ Rows [][3]any }
	if err := json.Unmarshal(b, &dump); err != nil {
		t.Fatal(err)
	}
	for _, row := range dump.Rows {
		switch row[2] { // JSON has no words for these
		case "inf":
			row[2] = math.Inf(1)
		case "-inf":
			row[2] = math.Inf(-1)
		}
		exec(t, db, insert, row[:]...)
	}
}

func newReader(path string) *pdcsqlite.Reader {
	return pdcsqlite.New(path, pdcsqlite.Options{Logger: foreigntest.Quiet})
}

func samples(t *testing.T, r *pdcsqlite.Reader) map[string]float64 {
	t.Helper()
	sources, err := r.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return foreigntest.Samples(t, foreigntest.Text(t, aggregate.NewMerger(nil), sources...))
}

// Property: what the library's own exposition shows of a file is what we show of it,
// while a writer has it open or none has; the file stays as it is, byte for byte.
func TestFixture(t *testing.T) {
	want := fixture.Samples(t, "testdata/expected.prom")
	for _, journal := range []string{"delete", "wal", "truncate"} {
		t.Run(journal, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a b?c%20#d.db")
			db := database(t, path, journal)
			fill(t, db)
			r := newReader(path)
			foreigntest.Equal(t, samples(t, r), want)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			foreigntest.Equal(t, samples(t, r), want)
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed, %v", err)
			}
			if counts := foreigntest.Counts(t, r.Collectors()); len(counts) > 0 {
				t.Errorf("counted %v", counts)
			}
		})
	}
}

// Property: a transaction is seen as a whole or not at all, and a reader holds up no
// writer in WAL mode, nor a writer a reader.
func TestOpenTransaction(t *testing.T) {
	for _, journal := range []string{"delete", "wal"} {
		path := filepath.Join(t.TempDir(), "x.db")
		db := database(t, path, journal)
		exec(t, db, insert, "a", "_total:{}", 1)
		r := newReader(path)
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		exec(t, tx, insert, "a", "_total:{}", 2)
		exec(t, tx, insert, "b", "_total:{}", 2)
		foreigntest.Equal(t, samples(t, r), map[string]float64{"a_total": 1})
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		foreigntest.Equal(t, samples(t, r), map[string]float64{"a_total": 2, "b_total": 2})
	}
}

// Property: a file that takes the place of another is what is read.
func TestReplaced(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	exec(t, database(t, path, "wal"), insert, "a", "_total:{}", 5)
	r := newReader(path)
	foreigntest.Equal(t, samples(t, r), map[string]float64{"a_total": 5})
	other := filepath.Join(dir, "y.db")
	exec(t, database(t, other, "delete"), insert, "b", "_total:{}", 1)
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	foreigntest.Equal(t, samples(t, r), map[string]float64{"b_total": 1})
}

// Property: a row that is no good costs itself.
func TestBadRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := database(t, path, "delete")
	exec(t, db, insert, "good", "_total:{}", 1)
	exec(t, db, insert, "bad", "_total:{}", "text")
	exec(t, db, insert, "bad", `_total:{"a":"b"}`, []byte("1"))
	exec(t, db, insert, "bad", "_total:{", 1)
	exec(t, db, insert, "bad", "nothing", 1)
	r := newReader(path)
	foreigntest.Equal(t, samples(t, r), map[string]float64{"good_total": 1})
	if counts := foreigntest.Counts(t, r.Collectors()); counts["value"] != 2 || counts["labels"] != 1 || counts["field"] != 1 {
		t.Errorf("counted %v", counts)
	}
}

// Property: what cannot be read is an error, and no file is made.
func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing.db")
	for _, path := range []string{text, empty, missing, dir} {
		if _, err := newReader(path).Read(t.Context()); err == nil {
			t.Errorf("%s was read", path)
		}
	}
	if _, err := os.Stat(missing); !os.IsNotExist(err) {
		t.Errorf("a file was made: %v", err)
	}
	path := filepath.Join(dir, "x.db")
	exec(t, database(t, path, "delete"), insert, "a", "_total:{}", 1)
	ended, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	if _, err := newReader(path).Read(ended); err == nil {
		t.Error("read without a context")
	}
}
