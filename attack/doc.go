// Package attack holds the tests that try to break promfold as its users run it:
// real workers and real sidecars are killed, starved, filled up and lied to, and
// the oracle is what came out of pipes. They run with the build tag attack; see
// docs/reliability.md.
package attack
