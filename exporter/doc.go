// Package exporter serves the merged metrics of multiprocess directories over
// HTTP, beside metrics about itself. It is used by the promfold command, and by
// applications whose workers answer scrapes themselves.
//
// One scrape is one scan of every directory and one merge; scrapes that overlap
// share them: see share.go.
package exporter
