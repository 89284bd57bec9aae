//go:build linux

package main

import (
	"strings"
	"testing"
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
	return func() (*exposition, error) { return parse(text) }
}

// Property: an answer is refused that exposes a series twice, however it is spelled
// and with whatever value, and one that lacks a bucket of everything.
func TestParseRefuses(t *testing.T) {
	const histogram = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n"
	if _, err := parse(histogram); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"# TYPE a counter\na{x=\"1\"} 2\na{x=\"1\"} 2\n",
		"# TYPE a counter\na{x=\"1\"} 9\na{x=\"1\"} 2\n",
		"# TYPE a counter\na{x=\"1\",y=\"2\"} 2\na{y=\"2\",x=\"1\"} 2\n",
		histogram + "h_count 2\n",
		strings.Replace(histogram, "h_bucket{le=\"+Inf\"} 2\n", "", 1),
	} {
		if _, err := parse(text); err == nil {
			t.Errorf("not refused:\n%s", text)
		}
	}
}

// Property: families whose types both sides tell have the same; one that a side
// tells no type of, or tells as untyped, passes.
func TestSameTypes(t *testing.T) {
	const counter = "# TYPE a counter\na 2\n"
	if err := same("test", answers(counter), answers("# TYPE a gauge\na 2\n")); err == nil || !strings.Contains(err.Error(), "a is a gauge here, a counter at the peer") {
		t.Errorf("a gauge for a counter: %v", err)
	}
	for _, text := range []string{counter, "a 2\n", "# TYPE a untyped\na 2\n"} {
		if err := same("test", answers(counter), answers(text)); err != nil {
			t.Error(err)
		}
		if err := same("test", answers(text), answers(counter)); err != nil {
			t.Error(err)
		}
	}
}
