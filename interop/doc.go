// Package interop runs promfold beside the real clients of other languages, in
// real servers, under load: gunicorn, Celery and Puma with stock clients, workers
// that come and go, and a sidecar that is killed all the while. It has nothing
// but tests, behind the build tag interop: see `make interop`.
//
// Truth comes from the client of the application: what it had acknowledged when a
// scrape began is exposed, what it had not yet asked for when a scrape ended is
// not, and at the end the two are equal.
package interop
