// Package metricsconfig reads the file of --metrics.config: what an operator
// says about families in the files of other clients. docs/metrics-config.md
// tells its shape.
package metricsconfig

import (
	"errors"
	"fmt"
	"os"

	"go.yaml.in/yaml/v4"

	"github.com/promfold/promfold/mmapstore"
)

// Error is why a file is refused.
type Error struct {
	Path   string // "" from Parse
	Line   int    // from 1; 0 if it is the text as a whole
	Reason string
}

func (e *Error) Error() string {
	switch {
	case e.Path == "" && e.Line == 0:
		return e.Reason
	case e.Path == "":
		return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
	case e.Line == 0:
		return fmt.Sprintf("%s: %s", e.Path, e.Reason)
	default:
		return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.Reason)
	}
}

// refuse blames the line on which a node begins.
func refuse(n *yaml.Node, format string, args ...any) error {
	return &Error{Line: n.Line, Reason: fmt.Sprintf(format, args...)}
}

// Load reads the file at path. It fails with an *Error, or with what the file
// system says.
func Load(path string) (mmapstore.Overrides, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	o, err := Parse(b)
	var refused *Error
	if errors.As(err, &refused) {
		refused.Path = path
	}
	return o, err
}

// Parse reads the text of a file. It fails with an *Error about the first thing
// that is wrong. A text that says nothing overrides nothing.
func Parse(b []byte) (mmapstore.Overrides, error) {
	root, err := document(b)
	if err != nil || root == nil {
		return nil, err
	}
	fields, err := mapping(root, "the file")
	if err != nil {
		return nil, err
	}
	var all mmapstore.Overrides
	for _, f := range fields {
		if f.key.Value != "families" {
			return nil, refuse(f.key, "unknown field %q, want families", f.key.Value)
		}
		if all, err = families(f.value); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func families(n *yaml.Node) (mmapstore.Overrides, error) {
	entries, err := mapping(n, "families")
	if err != nil {
		return nil, err
	}
	all := make(mmapstore.Overrides, len(entries))
	for _, e := range entries {
		name := e.key.Value
		if err := checkName(e.key); err != nil {
			return nil, err
		}
		all[name], err = override(e.value)
		var refused *Error
		if errors.As(err, &refused) {
			refused.Reason = "family " + name + ": " + refused.Reason
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}
