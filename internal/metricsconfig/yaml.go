package metricsconfig

import (
	"bytes"
	"errors"
	"io"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// document is the content of the only document of a text, nil if it is empty.
func document(b []byte) (*yaml.Node, error) {
	if err := checkText(b); err != nil {
		return nil, err
	}
	var first, second yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&first); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, syntax(b, err)
	}
	switch err := d.Decode(&second); {
	case errors.Is(err, io.EOF):
		return first.Content[0], nil
	case err != nil:
		return nil, syntax(b, err)
	default:
		return nil, refuse(&second, "a second document, want one")
	}
}

// syntax is an error of the YAML library with its line: the last, where what is
// missing would come after it.
func syntax(b []byte, err error) error {
	var at *yaml.LoadError
	if errors.As(err, &at) {
		return &Error{Line: min(at.Mark.Line, lineAt(bytes.TrimRight(b, "\n"))), Reason: at.Message}
	}
	return &Error{Reason: err.Error()}
}

// checkText finds bytes that are no text. The library refuses them too, but does
// not say where.
func checkText(b []byte) error {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		bad := ""
		switch {
		case r == utf8.RuneError && n == 1:
			bad = "not UTF-8"
		case unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' && r != '\u0085':
			bad = "control character"
		}
		if bad != "" {
			return &Error{Line: lineAt(b[:i]), Reason: bad}
		}
		i += n
	}
	return nil
}

// lineAt is the line of what comes after a text.
func lineAt(b []byte) int { return 1 + bytes.Count(b, []byte("\n")) }

// entry is a key of a mapping and its value.
type entry struct{ key, value *yaml.Node }

// mapping is the entries of a mapping. A key without a value, which is null,
// has none.
func mapping(n *yaml.Node, what string) ([]entry, error) {
	n = target(n)
	if n.ShortTag() == "!!null" {
		return nil, nil
	}
	if n.Kind != yaml.MappingNode {
		return nil, refuse(n, "%s must be a mapping", what)
	}
	entries := make([]entry, 0, len(n.Content)/2)
	lines := make(map[string]int)
	for i := 0; i < len(n.Content); i += 2 {
		e := entry{n.Content[i], n.Content[i+1]}
		if e.key.Kind != yaml.ScalarNode {
			return nil, refuse(e.key, "a key in %s must be a name", what)
		}
		if line := lines[e.key.Value]; line > 0 {
			return nil, refuse(e.key, "%q is there twice, first in line %d", e.key.Value, line)
		}
		lines[e.key.Value] = e.key.Line
		entries = append(entries, e)
	}
	return entries, nil
}

// target is what an alias stands for.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
