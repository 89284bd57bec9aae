package worker

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// Property: a store whose file could not be made makes it when it can, with all
// that was counted meanwhile; what was deleted meanwhile gets no place; and the log
// has a line for each of the two.
func TestFileIsMadeLater(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not there yet")
	var log bytes.Buffer
	s, err := New(dir, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if err == nil {
		t.Fatal("no error")
	}
	t.Cleanup(func() { s.Close() })
	vec := With(s).NewCounterVec(prometheus.CounterOpts{Name: "v"}, []string{"a"})
	held := vec.WithLabelValues("held")
	held.Add(2)
	vec.WithLabelValues("deleted").Inc()
	vec.DeleteLabelValues("deleted")
	s.Flush()
	if st := s.Stats(); st.Homeless != 1 || s.Path() != "" {
		t.Errorf("%+v in %q", st, s.Path())
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s.Flush()
	held.Add(3)
	if got := readFile(t, s.Path()); len(got) != 1 || got[`v{a="held"}`].value() != 5 {
		t.Errorf("the file has %v", got)
	}
	if st := s.Stats(); st.Homeless != 0 || st.Dropped != 0 {
		t.Errorf("%+v", st)
	}
	if n := strings.Count(log.String(), "\n"); n != 2 {
		t.Errorf("log:\n%s", &log)
	}
}

// Property: what a process counts that ends before its file could be made is in the
// file if there is room at the end, and its Close is harmless if there is none.
func TestFileIsMadeAtTheEnd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not there yet")
	for _, room := range []bool{false, true} {
		s, err := New(dir, WithLogger(slog.New(slog.DiscardHandler)))
		if err == nil {
			t.Fatal("no error")
		}
		c := With(s).NewCounter(prometheus.CounterOpts{Name: "c_total"})
		c.Inc()
		if room {
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Errorf("room %v: %v", room, err)
		}
		c.Inc()
		s.Flush()
		files, err := os.ReadDir(dir)
		if room != (err == nil) || room != (len(files) == 1) {
			t.Fatalf("room %v: %v, %v", room, files, err)
		}
		if room {
			if got := readFile(t, filepath.Join(dir, files[0].Name())); got["c_total{}"].value() != 1 {
				t.Errorf("the file has %v", got)
			}
		}
	}
}
