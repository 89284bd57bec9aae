package worker

import (
	"regexp"
	"testing"

	"github.com/promfold/promfold/internal/need"
)

// Property: counting needs no frame, whose making would cost as much as a part of the
// locked add: see waiting.go. The compiler is asked.
func TestCountingNeedsNoFrame(t *testing.T) {
	listing := need.Assembly(t, "amd64")
	for _, method := range []string{`counter\)\.Inc`, `counter\)\.Add`, `histogram\)\.Observe`, `summary\)\.Observe`} {
		text := regexp.MustCompile(`(?m)^\S*/worker\.\(\*` + method + ` STEXT .*$`).FindString(listing)
		if !regexp.MustCompile(` nosplit .* locals=0x0 `).MatchString(text) {
			t.Errorf("%s: %s", method, text)
		}
	}
}
