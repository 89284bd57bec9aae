package worker

import (
	"strings"

	"github.com/promfold/promfold/mmapstore"
)

// suffixModes are the modes of gauges that are the same everywhere, by the end
// of the name: in a sum or per process they would tell nothing.
var suffixModes = []struct {
	suffix string
	mode   Mode
}{
	{"_start_time_seconds", Min},
	{infoSuffix, Max}, // go_info, ..._build_info
}

// thirdPartyMode is the mode of a gauge that was made without one.
func (s *Store) thirdPartyMode(name string) Mode {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := s.options.GaugeModes[name]; ok {
		return m
	}
	if m, ok := s.funcModes[name]; ok {
		return m
	}
	for _, e := range suffixModes {
		if strings.HasSuffix(name, e.suffix) {
			return e.mode
		}
	}
	return LiveAll
}

// snapshotMode is thirdPartyMode, but for one that would add a label pid to
// gauges that have one. They tell of processes, whoever shows them, so any live
// process may speak for all.
func (s *Store) snapshotMode(name string, labels mmapstore.Labels) Mode {
	m := s.thirdPartyMode(name)
	if !m.PerProcess() {
		return m
	}
	for l := range labels.All() {
		if l == "pid" {
			return LiveMax
		}
	}
	return m
}
