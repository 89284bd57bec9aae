package aggregate

import (
	"github.com/promfold/promfold/internal/escape"
	"github.com/promfold/promfold/mmapstore"
)

// plainLabels reports whether every scraper gets the names of the labels as they
// are in the files.
func plainLabels(labels mmapstore.Labels) bool {
	for name := range labels.All() {
		if !escape.Plain(name) || escape.Label(name) != name {
			return false
		}
	}
	return true
}

// disambiguate marks the odd series that cannot be shown: to some scraper two of
// its labels have one name, or one has a name that is taken, or all of them
// together are those of another series of the family. Of two such series the
// plain one is shown, or the first. known: the series are those of the last time.
func (v *variant) disambiguate(known bool) (found bool) {
	if !known {
		taken := make(map[mmapstore.Labels]bool, len(v.order))
		for _, s := range v.order {
			if !s.odd {
				taken[s.labels] = true
			}
		}
		for _, s := range v.order {
			if s.odd {
				s.ambiguous = !v.claim(taken, s.labels)
			}
		}
	}
	for _, s := range v.order {
		found = found || s.ambiguous
	}
	return found
}

// claim takes the label sets under which scrapers get an odd series. It reports
// false, and takes none, if one of them cannot be had.
func (v *variant) claim(taken map[mmapstore.Labels]bool, labels mmapstore.Labels) bool {
	all := make([]mmapstore.Labels, 0, len(escape.Schemes)+1)
	exposed := labels.Pairs()
	for i := range exposed {
		exposed[i].Name = escape.Label(exposed[i].Name)
	}
	for i := -1; i < len(escape.Schemes); i++ {
		pairs := append([]mmapstore.Label(nil), exposed...)
		for j := range pairs {
			if i >= 0 { // else as it is, for those who take that
				pairs[j].Name = escape.Name(pairs[j].Name, escape.Schemes[i])
			}
		}
		set, err := mmapstore.EncodeLabels(pairs)
		if err != nil || mmapstore.TakenLabel(v.typ, set) != "" || taken[set] {
			return false
		}
		all = append(all, set)
	}
	for _, set := range all {
		taken[set] = true
	}
	return true
}
