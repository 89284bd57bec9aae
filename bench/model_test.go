//go:build linux

package main

import (
	"testing"

	"github.com/promfold/promfold/internal/rig"
)

// Property: the sets have as many samples as the rows say, and the dead's keys are
// among those of the living.
func TestModelSizes(t *testing.T) {
	all := keysOf(newModel(liveSize))
	for name, of := range map[string]struct {
		size size
		want int
	}{"live": {liveSize, 4750}, "dead counters": {deadCounters, 994}, "dead histograms": {deadHistograms, 994}} {
		keys := keysOf(newModel(of.size))
		if len(keys) != of.want {
			t.Errorf("%s: %d keys, not %d", name, len(keys), of.want)
		}
		for key := range keys {
			if !all[key] {
				t.Fatalf("%s: %s is no key of the living", name, key)
			}
		}
	}
}

func keysOf(m *model) map[string]bool {
	keys := make(map[string]bool)
	m.eachChild(func(n int, f *family, values []string) {
		for _, e := range pythonLayout.entries(n, f, values) {
			keys[e.key] = true
		}
	})
	return keys
}

// Property: the same series come out of client_python's files, in one order or
// another, of GitLab's and of native ones; and all values change with a round.
func TestLayoutsAgree(t *testing.T) {
	const processes = 3
	m := newModel(size{counters: 30, wide: 4, narrow: 4, all: 1, livesum: 3})
	shuffled := newFileSet(t.TempDir(), pythonLayout, m)
	shuffled.shuffled = true
	python, gitlab := newFileSet(t.TempDir(), pythonLayout, m), newFileSet(t.TempDir(), gitlabLayout, m)
	for _, s := range []*fileSet{python, shuffled, gitlab} {
		defer s.Close()
		if err := s.live(0, processes); err != nil {
			t.Fatal(err)
		}
	}
	native := t.TempDir()
	stores, err := makeNative(native, m, processes)
	if err != nil {
		t.Fatal(err)
	}
	defer stores.Close()
	want := exposed(t, python.dir)
	for name, dir := range map[string]string{"shuffled": shuffled.dir, "gitlab": gitlab.dir, "native": native} {
		if err := difference(want, exposed(t, dir)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := python.change(1); err != nil {
		t.Fatal(err)
	}
	for key, one := range exposed(t, python.dir) {
		if want[key].Value == one.Value {
			t.Fatalf("%s is %v as before", key, one.Value)
		}
	}
}

func exposed(t *testing.T, dir string) rig.Samples {
	t.Helper()
	h := inProcess(dir)
	defer h.close()
	h.keep = true
	h.scrape()
	got, err := rig.Parse(string(h.body))
	if err != nil {
		t.Fatal(err)
	}
	return got.App()
}
