package grpcmiddleware

import (
	"context"
	"math"
	"strings"
	"testing"

	grpcprometheus "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"google.golang.org/grpc"

	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/worker"
)

// Calls counted by a middleware that registers one opaque collector are in the
// file after a snapshot, and exact after the last one.
func TestMiddlewareIsSnapshotted(t *testing.T) {
	store, err := worker.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	metrics := grpcprometheus.NewServerMetrics(grpcprometheus.WithServerHandlingTimeHistogram())
	store.Registerer().MustRegister(metrics)
	intercept := metrics.UnaryServerInterceptor()
	call := func() {
		info := &grpc.UnaryServerInfo{FullMethod: "/shop.Shop/Buy"}
		if _, err := intercept(context.Background(), nil, info, func(context.Context, any) (any, error) { return nil, nil }); err != nil {
			t.Fatal(err)
		}
	}
	call()
	store.Flush()
	call()
	if err := store.Close(); err != nil {
		t.Fatal(err)
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
	seen := map[string]bool{}
	for _, s := range schema.Series {
		f, w := schema.Families[s.Family], words[s.Word:]
		if !strings.HasPrefix(f.Name, "grpc_server_") || s.Labels.Get("grpc_method") != "Buy" {
			t.Errorf("unexpected %s%v", f.Name, s.Labels)
		}
		var got float64
		switch f.Type {
		case mmapstore.Counter:
			got = float64(w[0]) + math.Float64frombits(w[1])
		case mmapstore.Histogram:
			for _, bucket := range w[1:f.WordCount(schema.SumWords)] {
				got += float64(bucket)
			}
		}
		if got != 2 {
			t.Errorf("%s%v: %v, want 2", f.Name, s.Labels, got)
		}
		seen[f.Name] = true
	}
	for _, name := range []string{"grpc_server_started_total", "grpc_server_handled_total", "grpc_server_handling_seconds"} {
		if !seen[name] {
			t.Errorf("%s is not in the file", name)
		}
	}
}
