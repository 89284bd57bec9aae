//go:build linux

package main

import (
	"fmt"
	"maps"
	"runtime"
	"slices"

	"github.com/promfold/promfold/internal/rig"
)

// answerer is a side whose answer can be looked at.
type answerer func() (*exposition, error)

// already is an answer that was read before.
func already(read *exposition) answerer {
	return func() (*exposition, error) { return read, nil }
}

// same fails unless both sides expose the same samples of the application, to the
// last bit, of the same types where both tell them. Help and order are the clients'
// own business. What the comparison leaves is collected before the next measurement.
func same(what string, theirs, ours answerer) error {
	want, err := theirs()
	if err != nil {
		return fmt.Errorf("%s: the peer: %w", what, err)
	}
	got, err := ours()
	if err != nil {
		return fmt.Errorf("%s: promfold: %w", what, err)
	}
	defer runtime.GC()
	if err := difference(want.App(), got.App()); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := got.sameTypes(want); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func difference(want, got rig.Samples) error {
	if len(want) == 0 {
		return fmt.Errorf("the peer exposes nothing")
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if one, ok := got[key]; !ok || one.Value != want[key].Value {
			return fmt.Errorf("%s is %v at the peer, %v here (exposed: %v)", key, want[key].Value, one.Value, ok)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[key]; !ok {
			return fmt.Errorf("%s is %v here, and not exposed by the peer", key, got[key].Value)
		}
	}
	return nil
}
