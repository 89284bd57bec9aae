//go:build unix

package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/redisstore"
	"github.com/promfold/promfold/redisstore/foreign"
	"github.com/promfold/promfold/redisstore/instrumentor"
	"github.com/promfold/promfold/redisstore/pdc"
	"github.com/promfold/promfold/redisstore/pdcsqlite"
)

// foreignFlags are about what other libraries keep.
type foreignFlags struct {
	what     []string // KIND:WHAT
	helpFile string
}

// Kinds of --redis.read.
const (
	kindPDC          = "pdc"
	kindInstrumentor = "instrumentor"
	kindPDCSQLite    = "pdc-sqlite"
)

func (f *foreignFlags) add(cmd *kingpin.CmdClause) {
	cmd.Flag("redis.read", "Serve what another library keeps: pdc:PREFIX and instrumentor:NAMESPACE in Redis, "+
		"pdc-sqlite:FILE. Repeatable. See docs/redis-migrating.md.").StringsVar(&f.what)
	cmd.Flag("redis.help-file", "YAML file with the help of metrics for which --redis.read finds none, as NAME: TEXT.").StringVar(&f.helpFile)
}

func (f *foreignFlags) complete() error {
	for _, what := range f.what {
		kind, rest, _ := strings.Cut(what, ":")
		switch {
		case kind != kindPDC && kind != kindInstrumentor && kind != kindPDCSQLite:
			return usageError{fmt.Errorf("--redis.read=%q: must be pdc:PREFIX, instrumentor:NAMESPACE or pdc-sqlite:FILE", what)}
		case rest == "" && kind != kindPDC:
			return usageError{fmt.Errorf("--redis.read=%q: nothing follows the colon", what)}
		}
	}
	if f.helpFile != "" && len(f.what) == 0 {
		return usageError{errors.New("--redis.help-file is for --redis.read")}
	}
	return nil
}

// needsRedis reports whether any of it lies in Redis.
func (f *foreignFlags) needsRedis() bool {
	for _, what := range f.what {
		if !strings.HasPrefix(what, kindPDCSQLite+":") {
			return true
		}
	}
	return false
}

// collectedReading is a reading that tells about itself.
type collectedReading interface {
	redisstore.Reading
	Collectors() []prometheus.Collector
}

// open makes a reading of each.
func (f *foreignFlags) open(s *store) error {
	var help foreign.Help
	if f.helpFile != "" {
		var err error
		if help, err = foreign.ReadHelp(f.helpFile); err != nil {
			return fmt.Errorf("--redis.help-file: %w", err)
		}
	}
	known := make(map[string]bool)
	for _, what := range f.what {
		if known[what] {
			continue // it would count twice
		}
		known[what] = true
		r := f.reading(s, what, help)
		s.others = append(s.others, r.Collectors()...)
		s.addReading(what, r)
	}
	return nil
}

func (f *foreignFlags) reading(s *store, what string, help foreign.Help) collectedReading {
	kind, rest, _ := strings.Cut(what, ":")
	switch kind {
	case kindInstrumentor:
		return instrumentor.New(s.client, instrumentor.Options{Namespace: rest, Help: help, Logger: s.log})
	case kindPDCSQLite:
		return pdcsqlite.New(rest, pdcsqlite.Options{Help: help, Logger: s.log})
	default:
		return pdc.New(s.client, pdc.Options{Prefix: rest, Help: help, Logger: s.log})
	}
}
