package directory_test

import (
	"context"
	"testing"

	"github.com/promfold/promfold/directory"
)

// Property: where there are more new files than descriptors, however many, those
// that are known count on, a scan says it in a few words, and all count once they
// can be opened.
func TestMoreNewFilesThanDescriptors(t *testing.T) {
	dir := archivedWorld(t)
	d := follow(t, dir, directory.Options{})
	wantTotal(t, d, 7)
	for range 50 {
		newWorker(t, dir, "new").count(1)
	}
	unlimit := limitDescriptors(t, 12)
	defer unlimit()
	v, err := d.Scan(context.Background())
	unlimit()
	must(t, err)
	defer v.Close()
	if got := total(t, v); got < 7 || got > 30 || len(v.Problems) > 4 || v.Unopened < 30 {
		t.Errorf("total %v, %d files not opened, %d problems, %v", got, v.Unopened, len(v.Problems), v.Problems)
	}
	if v := wantTotal(t, d, 57); len(v.Problems) > 0 {
		t.Errorf("problems %v", v.Problems)
	}
}
