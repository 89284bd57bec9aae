//go:build linux

package main

import (
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/rig"
)

// Property: a sample that one side lacks, or has with another value, fails the
// comparison and is named; one of promfold's own does not.
func TestSame(t *testing.T) {
	const text = "# TYPE a counter\na{x=\"1\"} 2\na{x=\"2\"} 3\n"
	for change, want := range map[string]string{
		"":                               "",
		"promfold_series 1\n":            "",
		"b 1\n":                          `b is 1 here`,
		"a{x=\"3\"} 1\n":                 `a{x="3"} is 1 here`,
		"-a{x=\"2\"} 3\n":                `a{x="2"} is 3 at the peer`,
		"-a{x=\"1\"} 2\n/a{x=\"1\"} 2.5": `a{x="1"} is 2 at the peer, 2.5 here`,
	} {
		changed := text + change
		if removed, ok := strings.CutPrefix(change, "-"); ok {
			old, instead, _ := strings.Cut(removed, "/")
			changed = strings.Replace(text, old, instead+"\n", 1)
		}
		err := same("test", answers(text), answers(changed))
		switch {
		case err == nil && want != "":
			t.Errorf("%q: no difference, want %q", change, want)
		case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %q", change, err, want)
		}
	}
	if same("test", answers(""), answers("")) == nil {
		t.Error("two empty answers are the same: then nothing was compared")
	}
}

func answers(text string) answerer {
	return func() (rig.Samples, error) { return rig.Parse(text) }
}
