package redisstore

import (
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// health is how it goes with something that is tried again and again: said once when it
// changes. Goroutines may share it.
type health struct {
	log  *slog.Logger
	what string // "publish to Redis"

	mu       sync.Mutex
	failing  string    // why the last try failed; "" if it did not
	failures uint64    // of all tries
	row      int       // of failures, in a row
	good     time.Time // when the last try that worked did
}

// note takes notice of a try and returns its error.
func (h *health) note(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		if h.failing != "" {
			h.log.Info("Can "+h.what+" again", "failures", h.row)
		}
		h.failing, h.row, h.good = "", 0, time.Now()
		return nil
	}
	h.failures++
	h.row++
	if h.failing == "" {
		h.log.Warn("Cannot "+h.what, "err", err)
	}
	h.failing = err.Error()
	return err
}

// state is a snapshot: whether the last try worked, how many did not, and when one did
// last.
func (h *health) state() (ok bool, failures uint64, good time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failing == "" && !h.good.IsZero(), h.failures, h.good
}

// firstRetry is about how long to wait after the first failure in a row.
const firstRetry = 500 * time.Millisecond

// longestWait is how long to wait after many.
func longestWait(interval time.Duration) time.Duration {
	return max(interval, min(3*interval, 30*time.Second))
}

// wait is how long to wait until the next try: the interval while all is well, and
// longer with each failure in a row. Hosts that began at one moment drift apart.
func (h *health) wait(interval time.Duration) time.Duration {
	h.mu.Lock()
	row := h.row
	h.mu.Unlock()
	if row == 0 {
		return interval - upTo(interval/10)
	}
	backoff := min(firstRetry<<min(row-1, 16), longestWait(interval))
	return backoff/2 + upTo(backoff/2)
}

// upTo is a time at random.
func upTo(d time.Duration) time.Duration {
	return time.Duration(rand.Float64() * float64(d)) //nolint:gosec // G404: so that hosts drift apart, no secret
}
