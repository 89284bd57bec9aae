//go:build linux

package rig

import "fmt"

// Monotone holds what a reader shows against what it showed before: no cumulative
// series goes down or leaves. One goroutine uses it.
type Monotone struct{ last map[string]float64 }

// Check takes the next scrape, and returns what is wrong with it.
func (m *Monotone) Check(got Samples) (faults []string) {
	if m.last == nil {
		m.last = make(map[string]float64)
	}
	for key, before := range m.last {
		if now, ok := got[key]; !ok {
			faults = append(faults, fmt.Sprintf("%s has left at %v", key, before))
			delete(m.last, key)
		} else if now.Value < before {
			faults = append(faults, fmt.Sprintf("%s went down from %v to %v", key, before, now.Value))
		}
	}
	for key, one := range got {
		if one.Cumulative {
			m.last[key] = one.Value
		}
	}
	return faults
}
