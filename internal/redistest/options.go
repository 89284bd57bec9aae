package redistest

import (
	"os"
	"os/exec"
	"testing"

	"github.com/promfold/promfold/internal/need"
)

// Persist is what of the data a server finds again after Kill and Restart.
type Persist int

const (
	// None is nothing: it starts empty.
	None Persist = iota
	// AOF is everything that was acknowledged.
	AOF
	// RDB is what there was at the last SAVE, or at an orderly end by Restart.
	RDB
)

// Options of a server. The zero value is one on a unix socket that keeps nothing.
type Options struct {
	Persist  Persist
	Port     bool     // listens on a port of 127.0.0.1 as well; URL has the port then
	TLS      bool     // implies Port, which speaks TLS alone, with a certificate by CAFile
	Mutual   bool     // implies TLS; clients must show a certificate by CAFile
	Password string   // of the default user
	Sentinel bool     // a sentinel: Conf says of what
	Conf     []string // more lines for redis.conf, such as "maxmemory 2mb"
	cluster  bool     // a node of one
}

func (o Options) normal() Options {
	o.TLS = o.TLS || o.Mutual
	o.Port = o.Port || o.TLS
	return o
}

// program is the server to test with.
func program(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("PROMFOLD_REDIS_SERVER"); path != "" {
		return need.Program(t, path, "PROMFOLD_REDIS_SERVER")
	}
	if path, err := exec.LookPath("redis-server"); err == nil {
		return path
	}
	return need.Program(t, "valkey-server", "or redis-server, or $PROMFOLD_REDIS_SERVER; Debian's package redis-server has it")
}
