package archiver

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/promfold/promfold/directory"
)

// Property: an archiver that is killed at any step of a commit, once or again
// and again, with or without an archive before it, leaves a directory that
// exposes exactly what was counted; the next archiver finishes, and nothing is
// left lying about.
func TestKillAtEveryStep(t *testing.T) {
	for _, step := range commitSteps {
		for _, kills := range []int{1, 2} {
			for _, first := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%d/first=%v", step, kills, first), func(t *testing.T) {
					t.Parallel()
					killAt(t, step, kills, first)
				})
			}
		}
	}
}

// commitSteps are those of every commit.
var commitSteps = []Step{
	StepScanned,
	StepFolded, StepWritten, StepSynced, StepRenamed, StepDurable, StepUnlinked, StepCommitted,
}

func killAt(t *testing.T, step Step, kills int, first bool) {
	dir := t.TempDir()
	live := counting(t, dir, 1000)
	want := 1000.0
	die := func() {
		for n := range uint64(3) {
			dead(t, dir, n+1)
			want += float64(n + 1)
		}
	}
	if !first {
		die()
		mustOnce(t, dir)
	}
	warm := directory.New(dir, directory.Options{})
	defer warm.Close()
	check := func(when string) {
		t.Helper()
		if got, remembered := exposed(t, dir), exposedBy(t, warm); got != want || remembered != want {
			t.Fatalf("%s: exposed %v, by whom has looked before %v, want %v", when, got, remembered, want)
		}
	}
	check("before")
	for range kills {
		die()
		if !startChild(t, "round", dir, string(step)).wait(t) {
			t.Fatal("not killed")
		}
		check("after the kill")
	}
	mustOnce(t, dir)
	check("after another's round")
	mustOnce(t, dir)
	check("after one more")
	leftovers := []string{".promfold/archive.pfa", ".promfold/spare.pfa", filepath.Base(live.Path())}
	got := names(t, dir)
	if !slices.Equal(got, leftovers) {
		t.Errorf("left over: %q", got)
	}
}

// Property: a standby takes over from an archiver that is killed, and nothing is
// lost between the two.
func TestStandbyTakesOverFromTheKilled(t *testing.T) {
	dir := t.TempDir()
	c := startChild(t, "run", dir)
	if _, err := c.out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	s := standby(t, dir)
	dead(t, dir, 5)
	eventually(t, "archived by the first", func() bool { return allArchived(t, dir) })
	if s.Stats().Active {
		t.Error("two at once")
	}
	c.kill()
	dead(t, dir, 6)
	eventually(t, "archived by the standby", func() bool { return s.Stats().Absorbed == 1 && allArchived(t, dir) })
	if got := exposed(t, dir); got != 11 {
		t.Errorf("exposed %v", got)
	}
}
