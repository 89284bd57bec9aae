package metricsconfig_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/metricsconfig"
	"github.com/promfold/promfold/mmapstore"
)

// What a good file says is what comes out, and nothing else.
func TestGood(t *testing.T) {
	want := map[string]mmapstore.Overrides{
		"all.good.yml": {
			"http_requests_total": {Type: mmapstore.Counter, Help: "Requests."},
			"worker_memory_bytes": {Type: mmapstore.Gauge, Mode: mmapstore.LiveSum},
			"queue_length":        {Mode: mmapstore.Latest, Help: "Jobs that wait,\nof all queues."},
			"threads":             {Type: mmapstore.Gauge, Mode: mmapstore.Max},
			"connections":         {Type: mmapstore.Gauge, Mode: mmapstore.Max},
			"temperature":         {Type: mmapstore.Untyped},
			"noisy_metric":        {Drop: true},
			"kept_metric":         {Type: mmapstore.Counter},
			"http.duration":       {Drop: true},
			"null":                {Help: "Named like nothing."},
		},
		"empty.good.yml":       {},
		"comment.good.yml":     {},
		"no-families.good.yml": {},
	}
	for _, path := range files(t, "*.good.yml") {
		overrides, err := metricsconfig.Load(path)
		if err != nil {
			t.Error(err)
		}
		all, known := want[filepath.Base(path)]
		if !known || !maps.Equal(overrides, all) {
			t.Errorf("%s: got %v, want %v", path, overrides, all)
		}
	}
}

// refusals are the line that is blamed and words of the reason.
var refusals = map[string]struct {
	line   int
	reason string
}{
	"unknown-section.bad.yml":        {3, `unknown field "family"`},
	"unknown-field.bad.yml":          {4, `family a: unknown field "labels"`},
	"unknown-type.bad.yml":           {3, `family a: unknown type "count"`},
	"info.bad.yml":                   {2, `family a: unknown type "info"`},
	"histogram.bad.yml":              {4, "family a: type histogram cannot be given: a file tells"},
	"summary.bad.yml":                {2, "family a: type summary cannot be given: a file tells"},
	"type-list.bad.yml":              {2, "family a: unknown type"},
	"unknown-mode.bad.yml":           {4, `family a: unknown gauge mode "average"`},
	"no-mode.bad.yml":                {4, `family a: unknown gauge mode ""`},
	"mode-of-counter.bad.yml":        {3, "family a: mode max is for gauges, and its type is counter"},
	"mode-of-untyped.bad.yml":        {4, "family a: mode max is for gauges, and its type is untyped"},
	"duplicate-family.bad.yml":       {5, `"a" is there twice, first in line 2`},
	"duplicate-field.bad.yml":        {4, `family a: "type" is there twice, first in line 3`},
	"duplicate-section.bad.yml":      {3, `"families" is there twice, first in line 1`},
	"name.bad.yml":                   {3, `invalid metric name "http-requests"`},
	"empty-name.bad.yml":             {2, `invalid metric name ""`},
	"list-name.bad.yml":              {2, "a key in families must be a name"},
	"drop-and-type.bad.yml":          {4, "family a: a family that is dropped has no type"},
	"drop-word.bad.yml":              {2, "family a: drop must be true or false"},
	"help-number.bad.yml":            {2, "family a: help must be text"},
	"help-empty.bad.yml":             {2, "family a: help must be text"},
	"nothing-said.bad.yml":           {2, "family a: nothing is said about it"},
	"family-word.bad.yml":            {2, "family a: a family must be a mapping"},
	"families-list.bad.yml":          {2, "families must be a mapping"},
	"word.bad.yml":                   {1, "the file must be a mapping"},
	"brace.bad.yml":                  {3, "did not find expected ',' or '}'"},
	"indent.bad.yml":                 {4, "did not find expected key"},
	"tab.bad.yml":                    {2, "cannot start any token"},
	"quote.bad.yml":                  {2, "unexpected end of stream"},
	"alias.bad.yml":                  {2, "unknown anchor 'nowhere'"},
	"control.bad.yml":                {2, "control character"},
	"latin1.bad.yml":                 {3, "not UTF-8"},
	"second-document.bad.yml":        {3, "a second document"},
	"second-empty-document.bad.yml":  {3, "a second document"},
	"second-broken-document.bad.yml": {4, "did not find expected node content"},
}

// A bad file is refused with its path, the line and the reason, in one line, and
// nothing of it is used.
func TestBad(t *testing.T) {
	paths := files(t, "*.bad.yml")
	if len(paths) != len(refusals) {
		t.Errorf("%d bad files, %d expectations", len(paths), len(refusals))
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			overrides, err := metricsconfig.Load(path)
			var refused *metricsconfig.Error
			if !errors.As(err, &refused) || overrides != nil {
				t.Fatalf("got %v, %v", overrides, err)
			}
			want, known := refusals[filepath.Base(path)]
			if !known || refused.Line != want.line || !strings.Contains(refused.Reason, want.reason) || refused.Path != path {
				t.Errorf("refused with %v, want line %d, %s", err, want.line, want.reason)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %s", err)
			}
		})
	}
}

// Names and helps that no reader would take are refused here already.
func TestCaps(t *testing.T) {
	name, help := strings.Repeat("n", mmapstore.MaxName), strings.Repeat("h", mmapstore.MaxHelp)
	o, err := metricsconfig.Parse([]byte("families: {" + name + ": {help: " + help + "}}"))
	if err != nil || o[name].Help != help {
		t.Error("refused what is not over the caps:", err)
	}
	for _, text := range []string{
		"families: {" + name + "n: {drop: true}}",
		"families: {a: {help: " + help + "h}}",
	} {
		if _, err := metricsconfig.Parse([]byte(text)); err == nil || len(err.Error()) > 100 {
			t.Errorf("over the caps: %.200v", err)
		}
	}
}

func TestMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nowhere.yml")
	if _, err := metricsconfig.Load(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
}

// Property: whatever the text, parsing ends, twice the same way; what is not refused
// holds to the rules, and is no more than the text can name.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "families: {a: {type: gauge, mode: max}}", "families: {a: &x {drop: true}, b: *x}", "a: &a [*a]", "- ? {}\n", "---\n...\n---",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		overrides, err := metricsconfig.Parse(b)
		var refused *metricsconfig.Error
		if err != nil && !errors.As(err, &refused) {
			t.Errorf("%T: %v", err, err)
		}
		again, errAgain := metricsconfig.Parse(b)
		if !maps.Equal(overrides, again) || fmt.Sprint(err) != fmt.Sprint(errAgain) {
			t.Errorf("%v %v, then %v %v", overrides, err, again, errAgain)
		}
		if len(overrides) > len(b) || err != nil && (overrides != nil || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%d families of %d bytes, %v", len(overrides), len(b), err)
		}
		for name, o := range overrides {
			if len(name) > mmapstore.MaxName || len(o.Help) > mmapstore.MaxHelp || name == "" || o.Mode != mmapstore.ModeNone && o.Type != 0 && o.Type != mmapstore.Gauge || o.Drop && o != (mmapstore.Override{Drop: true}) {
				t.Errorf("%q: %+v", name, o)
			}
		}
	})
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	return paths
}
