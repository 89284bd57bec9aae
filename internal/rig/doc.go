// Package rig is for tests that need real processes: it starts and kills them,
// runs promfold beside them, and reads what it exposes with Prometheus' own
// parser.
package rig
