package fiberprometheus

import (
	"math"
	"net/http/httptest"
	"testing"

	"github.com/ansrivas/fiberprometheus/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/worker"
)

// The Vecs of a middleware that knows nothing of promfold are native: what it
// counted is in the file when the request is done, without any snapshot.
func TestMiddlewareIsNative(t *testing.T) {
	modes := map[string]worker.Mode{"http_requests_in_progress_total": worker.LiveSum}
	store, err := worker.New(t.TempDir(), worker.WithGaugeModes(modes))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()

	prom := fiberprometheus.NewWithRegistry(store.Registerer(), "shop", "http", "", nil)
	app := fiber.New()
	prom.RegisterAt(app, "/metrics")
	app.Use(prom.Middleware)
	app.Get("/hello", func(c *fiber.Ctx) error { return c.SendString("hello") })
	for range 3 {
		resp, err := app.Test(httptest.NewRequest("GET", "/hello", nil))
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
		resp.Body.Close()
	}

	r, err := mmapstore.Open(store.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	schema := r.Schema()
	words := make([]uint64, schema.Words)
	if err := r.Load(words); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, s := range schema.Series {
		f, w := schema.Families[s.Family], words[s.Word:]
		switch f.Name {
		case "http_requests_total":
			seen++
			if w[0] != 3 || s.Labels.Get("path") != "/hello" || s.Labels.Get("service") != "shop" {
				t.Errorf("%s%v: %d", f.Name, s.Labels, w[0])
			}
		case "http_requests_in_progress_total":
			seen++
			if f.Mode != worker.LiveSum || w[0] == 0 || math.Float64frombits(w[1]) != 0 {
				t.Errorf("%s, mode %v: %v", f.Name, f.Mode, w[:2])
			}
		case "http_request_duration_seconds":
			seen++
			var n uint64
			for _, bucket := range w[1 : f.WordCount(schema.SumWords)] {
				n += bucket
			}
			if n != 3 {
				t.Errorf("%s: %d observations", f.Name, n)
			}
		}
	}
	if seen != 3 || len(schema.Series) != 3 {
		t.Errorf("%d of 3 series, %d in all", seen, len(schema.Series))
	}
}
