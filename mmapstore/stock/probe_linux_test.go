package stock_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/mmapstore"
)

// Property: who has the file open for writing is alive; nobody means death, unless
// a process has the pid in the file's name.
func TestProbe(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	probe := func(base string, writer, same bool) mmapstore.Verdict {
		path := filepath.Join(t.TempDir(), base)
		f := fixture.Create(t, path, 4096)
		f.Add(`["x", "x", {}]`, 1)
		if !writer {
			f.Close()
		}
		r := open(t, path, base)
		if err := r.Refresh(); err != nil {
			t.Fatal(err)
		}
		return r.Probe(same)
	}
	named := fmt.Sprintf("counter_%d.db", pid)
	alive := mmapstore.Verdict{State: mmapstore.Alive, Method: mmapstore.MethodLease}
	dead := mmapstore.Verdict{State: mmapstore.Dead, Method: mmapstore.MethodLease}
	byPID := mmapstore.Verdict{State: mmapstore.Alive, Method: mmapstore.MethodPID}
	for _, same := range []bool{false, true} {
		if v := probe("counter_worker.db", true, same); v != alive {
			t.Errorf("with a writer: %v", v)
		}
		if v := probe("counter_worker.db", false, same); v != dead {
			t.Errorf("without: %v", v)
		}
		if v := probe(named, false, same); v != byPID {
			t.Errorf("without, and a process: %v", v)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for _, same := range []bool{false, true} {
		if v := probe(named, false, same); v != dead {
			t.Errorf("after its death: %v", v)
		}
	}
}
