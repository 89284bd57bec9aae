//go:build attack && linux

package attack_test

import (
	"sync"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

// watch scrapes all the time until stop, which says how often. Nothing cumulative
// goes down meanwhile, across kills as well.
func (h *hermesServer) watch(t *testing.T) (stop func() (scrapes int)) {
	quit := make(chan struct{})
	var ended sync.WaitGroup
	var faults rig.Faults
	scrapes := 0
	ended.Go(func() {
		var seen rig.Monotone
		for {
			kills := h.Kills.Load()
			got, err := h.Scrape()
			switch {
			case err == nil:
				scrapes++
				for _, fault := range seen.Check(hermesCumulative(got)) {
					faults.Add("%s", fault)
				}
			case kills%2 == 0 && h.Kills.Load() == kills:
				faults.Add("%v", err)
			}
			select {
			case <-quit:
				return
			case <-time.After(10 * time.Millisecond): // leaves the processor to others
			}
		}
	})
	end := sync.OnceFunc(func() {
		close(quit)
		ended.Wait()
	})
	t.Cleanup(end)
	return func() int {
		t.Helper()
		end()
		faults.Report(t)
		if scrapes == 0 {
			t.Error("no scrape was answered")
		}
		return scrapes
	}
}

// hermesCumulative is what was sent and how many datagrams were accounted for, which
// outlive the sidecar. The senders' gauges that only rise are as good as counters.
func hermesCumulative(got rig.Samples) rig.Samples {
	all := got.App()
	for key, one := range all {
		if one.Name == "hx_last" || one.Labels["way"] == "up" {
			one.Cumulative = true
			all[key] = one
		}
	}
	for _, name := range []string{hermesAccepted, hermesDropped} {
		all[name] = got[name]
	}
	return all
}
