package foreign

import (
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/promfold/promfold/mmapstore"
)

// Help is the help of metrics whose store keeps none, by the name of the metric, with
// or without the suffix that its family has.
type Help map[string]string

// ReadHelp reads a YAML file of names and helps.
func ReadHelp(path string) (Help, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read help: %w", err)
	}
	help := make(Help)
	if err := yaml.Unmarshal(b, &help); err != nil {
		return nil, fmt.Errorf("read help from %s: %w", path, err)
	}
	return help, nil
}

// of is the help of a family, its name if there is none.
func (h Help) of(family string) string {
	text, ok := h[family]
	for _, suffix := range []string{"_total", "_created"} {
		if base, cut := strings.CutSuffix(family, suffix); cut && !ok {
			text, ok = h[base]
		}
	}
	if !ok {
		return family
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) > mmapstore.MaxHelp {
		text = text[:mmapstore.MaxHelp]
		for !utf8.ValidString(text) {
			text = text[:len(text)-1]
		}
	}
	return text
}
