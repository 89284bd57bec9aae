package exposition

import "github.com/promfold/promfold/internal/escape"

// appendName quotes a name that is not of the legacy kind. Names of labels go by
// the same rule as those of metrics, colons included, as in expfmt.
func appendName(b []byte, name string) []byte {
	if escape.Plain(name) {
		return append(b, name...)
	}
	b = appendEscaped(append(b, '"'), name, true)
	return append(b, '"')
}

func appendEscaped(b []byte, s string, quoted bool) []byte {
	done := 0 // s[:done] is in b
	for i := range len(s) {
		var escape string
		switch s[i] {
		case '\\':
			escape = `\\`
		case '\n':
			escape = `\n`
		case '"':
			if quoted {
				escape = `\"`
			}
		}
		if escape != "" {
			b = append(append(b, s[done:i]...), escape...)
			done = i + 1
		}
	}
	return append(b, s[done:]...)
}
