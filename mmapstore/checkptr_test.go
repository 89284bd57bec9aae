//go:build race

package mmapstore

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unsafe"
)

func init() { roles["straddle"] = viewBeyondMemory }

var beyond []Word

// viewBeyondMemory views more words than there are, as a wrong length would.
func viewBeyondMemory() {
	b := make([]byte, wordSize*8)
	beyond = unsafe.Slice((*Word)(unsafe.Pointer(&b[0])), len(b)) // bytes for words
	os.Stdout.WriteString("unnoticed")
}

// Property: who runs the tests with -race has every conversion of an unsafe
// pointer checked as well, as by -gcflags=all=-d=checkptr, which the race
// detector brings with it.
func TestRaceDetectorChecksPointers(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), roleVariable+"=straddle")
	cmd.Stdout = io.Discard
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Run(); err == nil || !strings.Contains(said.String(), "checkptr") {
		t.Errorf("a view beyond memory: %v\n%s", err, said.String())
	}
}
