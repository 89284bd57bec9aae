// Package worker is what an application imports: metrics with the faces of
// client_golang whose counts live in a memory-mapped file, from which an
// exporter merges the metrics of all processes. A count that was made stays
// made, whatever kills the process.
//
// Metrics are created as with promauto, at package level and before anything
// is opened:
//
//	var requests = worker.NewCounterVec(prometheus.CounterOpts{Name: "http_requests_total"}, []string{"code"})
//
//	func main() {
//		store, err := worker.Open("") // $PROMETHEUS_MULTIPROC_DIR
//		...
//		defer store.Close()
//	}
//
// Until Open they count on the heap; Open moves what they have into the file.
// The types are client_golang's own (*prometheus.CounterVec and so on), so its
// helpers and third-party middleware take them.
//
// # What is where
//
// With the directory unset the process is its own and only one: metrics stay on
// the heap and are registered in prometheus.DefaultRegisterer, where a plain
// promhttp.Handler shows them. Development needs no directory.
//
// A file that cannot be made is an error of Open and one line in the log.
// Everything then counts on in the memory of this process, where no exporter sees
// it, and, as before Open, a little slower. A series for which the file has no room counts on the heap too; the file
// itself carries the number of such series, so an exporter can tell. Lack of
// space on the file system, or of the directory, is temporary: the file is made and
// the series moves in, with all it has counted, as soon as there is room. A cap is
// final.
//
// # Differences from client_golang
//
// No metric call panics or fails. A Counter ignores negative, infinite and NaN
// amounts; a Histogram or Summary counts a NaN or infinite observation and
// leaves it out of the sum, which could never recover from it. An amount that
// would carry a total over the largest float64 fares the same. Store.Stats
// tells how many there were. Exemplars are accepted and dropped. Objectives
// and the NativeHistogram fields are accepted and not used yet: a summary is
// its sum and count, a histogram has classic buckets.
//
// Deleting a child from a Vec takes effect in the file at the next upkeep of
// the store (see Options.SnapshotInterval), or at once when the same child is
// created again; Store.Flush does not wait.
//
// # Locks
//
// A metric call takes none, unless the metric has no place yet or is a gauge with
// a time; then it takes its own. In the order in which they are taken: the upkeep
// lock of a Store (one pass at a time), the registration lock, the lock of a
// client_golang registry or Vec, Store.mu (families, children, where they are
// placed), core.mu of one child (the move of its counts), the file's.
package worker
