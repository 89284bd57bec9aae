//go:build unix

package exporter

import (
	"net/http"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// compressed offers gzip and zstd to the clients of h, gzip first as promhttp
// does. An answer of less than a kilobyte is sent as it is. The fastest level is
// still the most expensive part of an answer.
func compressed(h http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.PreferZstd(false), gzhttp.MinSize(gzhttp.DefaultMinSize),
		gzhttp.CompressionLevel(gzip.BestSpeed), gzhttp.ZstdCompressionLevel(int(zstd.SpeedFastest)))
	if err != nil {
		panic(err) // the options are constants
	}
	return wrap(h)
}
