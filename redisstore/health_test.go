package redisstore

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// Property: the wait until the next try is at most the interval while all is well, at least nine
// tenths of it; it doubles with each failure in a row, up to 30 seconds or the interval,
// and for short intervals to three of them;
// and no two waits are the same, so that hosts drift apart.
func TestHealthWait(t *testing.T) {
	t.Parallel()
	for _, interval := range []time.Duration{10 * time.Second, 2 * time.Minute, time.Second} {
		h := &health{log: slog.New(slog.DiscardHandler)}
		most := []time.Duration{interval}
		bound := map[time.Duration]time.Duration{
			10 * time.Second: 30 * time.Second, 2 * time.Minute: 2 * time.Minute, time.Second: 3 * time.Second,
		}[interval]
		for b := 500 * time.Millisecond; b < bound; b *= 2 {
			most = append(most, b)
		}
		for len(most) < 100 {
			most = append(most, bound)
		}
		for row, most := range most {
			least := most / 2
			if row == 0 {
				least = most * 9 / 10
			}
			seen := make(map[time.Duration]bool)
			for range 20 {
				w := h.wait(interval)
				seen[w] = true
				if w < least || w > most {
					t.Fatalf("interval %v, %d failures: waits %v, want %v to %v", interval, row, w, least, most)
				}
			}
			if len(seen) < 10 {
				t.Errorf("interval %v, %d failures: %d different waits of 20", interval, row, len(seen))
			}
			_ = h.note(errors.New("away"))
		}
		_ = h.note(nil)
		if w := h.wait(interval); w < interval*9/10 {
			t.Errorf("waits %v after all is well again", w)
		}
	}
}

// Property: one line is said when it begins to fail and one when that ends, however often it is
// tried between, and with whatever errors.
func TestHealthSaysChanges(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := &health{log: slog.New(slog.NewTextHandler(&log, nil)), what: "do it"}
	for range 2 {
		for _, err := range []error{nil, nil, errors.New("a"), errors.New("a"), errors.New("b"), nil, nil} {
			if got := h.note(err); !errors.Is(got, err) {
				t.Errorf("%v became %v", err, got)
			}
			if ok, _, good := h.state(); ok != (err == nil) || good.IsZero() {
				t.Errorf("after %v: ok %v, good at %v", err, ok, good)
			}
		}
	}
	if _, failures, _ := h.state(); failures != 6 {
		t.Errorf("%d failures", failures)
	}
	if bad, good := strings.Count(log.String(), "Cannot do it"), strings.Count(log.String(), "Can do it again"); bad != 2 || good != 2 {
		t.Errorf("log:\n%s", log.String())
	}
}
