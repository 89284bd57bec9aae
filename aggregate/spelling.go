package aggregate

import (
	"strconv"

	"github.com/promfold/promfold/mmapstore"
)

// spelling is how the sources of a histogram write the bounds of its buckets. A
// client that writes 1.0 into its label le must find 1.0 in the exposition, or
// every series would be a new one. Where two sources disagree about a bound it
// is written canonically, as the text format writes numbers; so no order of
// sources, and no archive in between, makes a difference.
type spelling struct {
	// votes is the text of every bound that a source told, "" for the canonical.
	votes map[float64]string
	// texts is what differs in votes, made when it is asked for. Results share
	// it: it is replaced, never changed.
	texts map[float64]string
	fresh bool // texts is as votes has it
	// last are the bounds that were told last. Sources that share their schema say the
	// same again.
	last *float64
}

// vote takes the spelling of a source's family into account.
func (s *spelling) vote(f *mmapstore.Family) {
	if len(f.Bounds) > 0 {
		if s.last == &f.Bounds[0] {
			return
		}
		s.last = &f.Bounds[0]
	}
	if s.votes == nil && len(f.Bounds) > 0 {
		s.votes = make(map[float64]string, len(f.Bounds))
	}
	for i, bound := range f.Bounds {
		text := ""
		if len(f.Spelled) == len(f.Bounds) && f.Spelled[i] != canonical(bound) && spells(f.Spelled[i], bound) {
			text = f.Spelled[i]
		}
		known, ok := s.votes[bound]
		if ok && known == text {
			continue
		}
		if ok {
			text = ""
		}
		s.votes[bound], s.fresh = text, false
	}
}

// differing is the texts that are not canonical, nil if there are none.
func (s *spelling) differing() map[float64]string {
	if s.fresh {
		return s.texts
	}
	s.texts, s.fresh = nil, true
	for bound, text := range s.votes {
		if text == "" {
			continue
		}
		if s.texts == nil {
			s.texts = make(map[float64]string)
		}
		s.texts[bound] = text
	}
	return s.texts
}

// of is the text of each of the bounds, nil if all are canonical.
func (s *spelling) of(bounds []float64) []string {
	texts := s.differing()
	var all []string
	for i, bound := range bounds {
		text, ok := texts[bound]
		if !ok {
			continue
		}
		if all == nil {
			all = make([]string, len(bounds))
			for j, other := range bounds {
				all[j] = canonical(other)
			}
		}
		all[i] = text
	}
	return all
}

// canonical is the number as the text format writes it.
func canonical(number float64) string {
	if number == 0 {
		number = 0 // the text format has no negative zero in le
	}
	return strconv.FormatFloat(number, 'g', -1, 64)
}

// spells reports whether the text is one of the number. Such a text needs no
// escaping anywhere.
func spells(text string, number float64) bool {
	v, err := strconv.ParseFloat(text, 64)
	return err == nil && v == number
}

func spellingsValid(f *mmapstore.Family) bool {
	for i, text := range f.Spelled {
		if !spells(text, f.Bounds[i]) {
			return false
		}
	}
	return true
}
