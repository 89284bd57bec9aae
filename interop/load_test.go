//go:build interop && linux

package interop_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

// order is a request to one of the example shops.
type order struct {
	item   string
	amount float64 // halves, so that every sum is exact
	pieces int
}

var (
	items  = []string{"pen", "ink", "paper"}
	bounds = []float64{5, 10, 20, 50} // of the shops' histograms
)

func nthOrder(n int) order {
	return order{items[n%len(items)], float64(n*7%120+1) / 2, n%5 + 1}
}

// ledger is what the load knows: it is the truth. Its methods may be called by
// any goroutine.
type ledger struct {
	mu        sync.Mutex // guards all below
	asked     int        // sent, or about to be
	refused   int        // never reached a server
	uncertain int        // sent, and no answer came
	other     int        // answered, but not with 200

	acked    int // answered with 200
	amount   float64
	largest  float64
	pieces   int
	byItem   map[string]int
	byBound  map[float64]int
	byWorker map[string]int
}

func newLedger() *ledger {
	return &ledger{byItem: make(map[string]int), byBound: make(map[float64]int), byWorker: make(map[string]int)}
}

func (l *ledger) tally(series string) tally {
	return tally{
		series:       series,
		acknowledged: func() float64 { l.mu.Lock(); defer l.mu.Unlock(); return float64(l.acked) },
		asked:        func() float64 { l.mu.Lock(); defer l.mu.Unlock(); return float64(l.asked) },
	}
}

// workers is how many orders each worker has acknowledged.
func (l *ledger) workers() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.byWorker)
}

// Each request has a connection of its own, so none is ever sent twice, and a
// worker that stops cannot take one that is idle with it.
var shopper = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// place sends one order.
func (l *ledger) place(base string, o order) {
	l.mu.Lock()
	l.asked++
	l.mu.Unlock()
	resp, err := shopper.Get(fmt.Sprintf("%s/order?item=%s&amount=%v&pieces=%d", base, o.item, o.amount, o.pieces))
	var worker string
	status := 0
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		worker, status = resp.Header.Get("X-Worker"), resp.StatusCode
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil && status == 0 && refused(err):
		l.refused++
	case err != nil:
		l.uncertain++
	case status != http.StatusOK:
		l.other++
	default:
		l.acknowledge(o, worker)
	}
}

func (l *ledger) acknowledge(o order, worker string) {
	l.acked++
	l.amount += o.amount
	l.largest = max(l.largest, o.amount)
	l.pieces += o.pieces
	l.byItem[o.item]++
	for _, b := range bounds {
		if o.amount <= b {
			l.byBound[b]++
		}
	}
	l.byWorker[worker]++
}

// ordersPerSecond at most: on two cores as on twenty, workers come and go eight
// times a second, and each leaves eight files.
const ordersPerSecond = 400

// load is clients that place orders until they are stopped.
type load struct {
	ledger *ledger
	pace   *time.Ticker
	quit   chan struct{}
	ended  sync.WaitGroup
}

func startLoad(t *testing.T, l *ledger, base string, clients int) *load {
	w := &load{ledger: l, pace: time.NewTicker(time.Second / ordersPerSecond), quit: make(chan struct{})}
	for c := range clients {
		w.ended.Go(func() {
			for n := c; ; n += clients {
				select {
				case <-w.quit:
					return
				case <-w.pace.C:
					l.place(base, nthOrder(n))
				}
			}
		})
	}
	t.Cleanup(w.stop)
	return w
}

// stop waits for the requests under way.
func (w *load) stop() {
	select {
	case <-w.quit:
	default:
		close(w.quit)
	}
	w.ended.Wait()
	w.pace.Stop()
}

// check compares an exposition with the ledger.
//
// Property: after the last acknowledgement every total equals the ledger's, to
// the last bit. Where connections broke, between what was acknowledged and that
// plus what is uncertain.
func (l *ledger) check(t *testing.T, got rig.Samples, pieces bool) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	t.Logf("%d orders acknowledged by %d workers; %d uncertain, %d refused, %d answered otherwise",
		l.acked, len(l.byWorker), l.uncertain, l.refused, l.other)
	if l.other > 0 {
		t.Errorf("%d requests were not answered with 200", l.other)
	}
	l.equal(t, got, "shop_orders_total", float64(l.acked), 1)
	for item, n := range l.byItem {
		l.equal(t, got, rig.Series("shop_orders_by_item_total", map[string]string{"item": item}), float64(n), 1)
	}
	l.equal(t, got, "shop_order_amount_euros_count", float64(l.acked), 1)
	l.equal(t, got, "shop_order_amount_euros_sum", l.amount, 60)
	for b, n := range l.byBound {
		l.equal(t, got, rig.Series("shop_order_amount_euros_bucket", map[string]string{"le": rig.Bound(b)}), float64(n), 1)
	}
	l.equal(t, got, `shop_order_amount_euros_bucket{le="+Inf"}`, float64(l.acked), 1)
	if pieces {
		l.equal(t, got, "shop_order_pieces_count", float64(l.acked), 1)
		l.equal(t, got, "shop_order_pieces_sum", float64(l.pieces), 5)
	}
}

// equal allows each uncertain request at most one share.
func (l *ledger) equal(t *testing.T, got rig.Samples, key string, want, share float64) {
	t.Helper()
	one, ok := got[key]
	if most := want + share*float64(l.uncertain); !ok || one.Value < want || one.Value > most {
		t.Errorf("%s is %v (exposed: %v); the ledger says %v, and at most %v", key, one.Value, ok, want, most)
	}
}

// checkWorkers compares a gauge of mode all that counts the orders of each worker.
func (l *ledger) checkWorkers(t *testing.T, got rig.Samples, gauge string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	byPID := got.By(gauge, "pid")
	wrong := 0
	for worker, n := range l.byWorker {
		if have, ok := byPID[worker]; !ok || have < float64(n) || have > float64(n+l.uncertain) {
			if wrong++; wrong <= 5 {
				t.Errorf(`%s{pid="%s"} is %v (exposed: %v); the ledger says %d`, gauge, worker, have, ok, n)
			}
		}
		delete(byPID, worker)
	}
	for pid, have := range byPID {
		if _, err := strconv.Atoi(pid); err != nil || have > float64(l.uncertain) {
			t.Errorf(`%s{pid="%s"} is %v, of no worker that acknowledged anything`, gauge, pid, have)
		}
	}
}

// refused tells that a connection was never made.
func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
