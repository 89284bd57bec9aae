package client_test

import (
	"time"

	hermes_client "github.com/promfold/promfold/hermes/client"
)

// shop is of a program that was written for Hermes' client; no line of it but the
// import has changed. That it compiles is the test.
type shop struct {
	metrics *hermes_client.HermesClient
}

func (s *shop) order(item string, price float64) {
	start := time.Now()
	labels := map[string]string{"item": item}
	defer s.metrics.DecrementGauge("shop_orders_open", labels)
	s.metrics.IncrementGauge("shop_orders_open", labels)
	s.metrics.IncrementCounter("shop_orders_total", labels)
	s.metrics.SetGauge("shop_last_price", labels, price)
	s.metrics.ObserveHistogram("shop_order_seconds", labels, time.Since(start).Seconds())
	go s.metrics.ObserveSummary("shop_order_price", nil, 5)
}

// A program written for Hermes' client, with its import changed.
func ExampleNew() {
	client := hermes_client.New("localhost", 7789)
	client.IncrementCounter("shop_starts_total", map[string]string{"host": "a"})
	client.IncrementGauge("shop_clerks", map[string]string{"host": "a"})
	client.DecrementGauge("shop_clerks", map[string]string{"host": "a"})
	client.SetGauge("shop_clerks", map[string]string{"host": "a"}, 54)
	client.ObserveHistogram("shop_load_seconds", map[string]string{"host": "a"}, 0.25)
	client.ObserveSummary("shop_load_bytes", map[string]string{"host": "a"}, 5)
	shop := shop{metrics: client}
	shop.order("pen", 1.5)
}
