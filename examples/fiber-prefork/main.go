// Command fiber-prefork is a shop on Fiber in prefork mode. Each process counts in
// its file; promfold beside them folds and serves.
//
//	GET /order?item=pen&amount=12.5
package main

import (
	"flag"
	"log"
	"os"
	"strconv"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/worker"
)

// Metrics are made as with promauto, before anything is opened.
var (
	orders = worker.NewCounterVec(prometheus.CounterOpts{
		Name: "shop_orders_total", Help: "Orders taken, by item.",
	}, []string{"item"})
	amounts = worker.NewHistogram(prometheus.HistogramOpts{
		Name: "shop_order_amount_euros", Help: "What an order came to.", Buckets: []float64{5, 10, 20, 50},
	})
	workerOrders = worker.WithMode(worker.All).NewGauge(prometheus.GaugeOpts{
		Name: "shop_worker_orders", Help: "Orders taken by each worker, dead ones included.",
	})
	workers = worker.WithMode(worker.LiveSum).NewGauge(prometheus.GaugeOpts{
		Name: "shop_workers", Help: "Living workers that have taken an order.",
	})
)

func main() {
	address := flag.String("listen", "127.0.0.1:8000", "address shared by all workers")
	flag.Parse()
	if fiber.IsChild() { // the parent counts nothing
		store, err := worker.Open("") // $PROMETHEUS_MULTIPROC_DIR
		if err != nil {
			log.Print(err) // it serves all the same
		}
		defer store.Close()
	}
	// Immutable: label values are kept, and Fiber would use their memory again.
	app := fiber.New(fiber.Config{Prefork: true, Immutable: true, DisableStartupMessage: true})
	app.Get("/order", takeOrder)
	if err := app.Listen(*address); err != nil {
		log.Print(err)
	}
}

func takeOrder(c *fiber.Ctx) error {
	amount, err := strconv.ParseFloat(c.Query("amount"), 64)
	if err != nil || c.Query("item") == "" {
		return fiber.NewError(fiber.StatusBadRequest, "try /order?item=pen&amount=12.5")
	}
	orders.WithLabelValues(c.Query("item")).Inc()
	amounts.Observe(amount)
	workerOrders.Inc()
	workers.Set(1)
	c.Set("X-Worker", strconv.Itoa(os.Getpid()))
	return c.SendString("thank you\n")
}
