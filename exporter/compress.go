//go:build unix

package exporter

import (
	"net/http"

	"github.com/klauspost/compress/gzhttp"
)

// compressed offers gzip and zstd to the clients of h, gzip first as promhttp
// does. An answer of less than a kilobyte is sent as it is.
func compressed(h http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.PreferZstd(false), gzhttp.MinSize(gzhttp.DefaultMinSize))
	if err != nil {
		panic(err) // the options are constants
	}
	return wrap(h)
}
