package mmapstore

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/need"
)

// Property: on arm64, where plain stores and loads may be seen in any order, what
// publishes is compiled to a store-release and what reads it to a load-acquire:
// the end of the schema after the record was written, the count of a timed gauge
// after its slot, and each cell. No emulator can show that on a machine whose own
// order is stronger, so the compiler is asked.
func TestPublishingOrderOnARM64(t *testing.T) {
	code := compileForARM64(t)
	for function, want := range map[string][]string{
		"(*Writer).publish":     {"WriteAt", "STLR"},
		"SetLatest":             {"LDAR", "STLR", "STLR", "STLR"},
		"ReadLatest":            {"LDAR", "LDAR", "LDAR", "LDAR"},
		"(*mapping).word.func1": {"LDAR"},
		"(*mapping).copyRuns":   {"LDAR"},
		"(*mapping).copyPlaces": {"LDAR", "LDAR"},
	} {
		if got := code[function]; !slices.Equal(got, want) {
			t.Errorf("%s does %q, want %q", function, got, want)
		}
	}
}

// ordered are the instructions that order memory, and the write before them.
var ordered = regexp.MustCompile(`\t(LDAR|STLR|CALL)\t(\S*)`)

// compileForARM64 is, by function of this package, the ordered instructions that
// it is made of, as they come.
func compileForARM64(t *testing.T) map[string][]string {
	t.Helper()
	code := make(map[string][]string)
	function := ""
	for line := range strings.Lines(need.Assembly(t, "arm64")) {
		if name, _, ok := strings.Cut(line, " STEXT "); ok {
			function = name[strings.LastIndexByte(name, '/')+1:]
			_, function, _ = strings.Cut(function, ".")
			continue
		}
		m := ordered.FindStringSubmatch(line)
		switch {
		case m == nil || m[1] == "CALL" && !strings.Contains(m[2], "(*File).WriteAt"):
		case m[1] == "CALL":
			code[function] = append(code[function], "WriteAt")
		default:
			code[function] = append(code[function], m[1])
		}
	}
	return code
}
