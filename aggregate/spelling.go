package aggregate

import (
	"strconv"

	"github.com/promfold/promfold/mmapstore"
)

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
