package exposition

import (
	"github.com/prometheus/common/model"

	"github.com/promfold/promfold/internal/escape"
)

// shape is what the series of a family tell of where their values are.
type shape struct {
	width  int   // words of each series, if they are as many in all
	starts []int // else the first word of each series, and the end; nil if width tells
	// plain is whether all names are the same under all escaping schemes.
	plain bool
	bytes int // about what the lines take
}

func (f *Family) measured() *shape {
	f.shapeOnce.Do(func() { f.shape = f.measure() })
	return &f.shape
}

func (f *Family) measure() shape {
	s := shape{plain: f.isPlain(), bytes: f.textBytes(f.Series)}
	if len(f.Series) == 0 {
		return s
	}
	s.width = f.words(&f.Series[0])
	for i := range f.Series {
		if f.words(&f.Series[i]) != s.width {
			s.starts = f.wordStarts()
			break
		}
	}
	return s
}

func (f *Family) wordStarts() []int {
	starts := make([]int, 1, len(f.Series)+1)
	for i := range f.Series {
		starts = append(starts, starts[i]+f.words(&f.Series[i]))
	}
	return starts
}

// firstWord is where the values of a series begin, for the number of series where
// those of the last one end.
func (s *shape) firstWord(series int) int {
	if s.starts == nil {
		return series * s.width
	}
	return s.starts[series]
}

func (f *Family) isPlain() bool {
	if !escape.Plain(f.Name) {
		return false
	}
	var known []string // the names of the series before, by position: mostly the same again
	for i := range f.Series {
		position := 0
		for name, value := range f.Series[i].Labels.All() {
			if position == len(known) {
				known = append(known, "") // which no label has
			}
			if name != known[position] && !escape.Plain(escape.Label(name)) ||
				name == model.MetricNameLabel && !escape.Plain(value) {
				return false
			}
			known[position] = name
			position++
		}
	}
	return true
}

// lineBytes is about what a line has beside the name and the labels of its series.
const lineBytes = 24

// textBytes is about what the lines of some series of the family take: each has all labels of its
// series, so a histogram with long ones can take thousands of times as much as the
// file from which it comes.
func (f *Family) textBytes(all []Series) (n int) {
	for i := range all {
		s := &all[i]
		n += (f.words(s) + 1) * (len(f.Name) + len(s.Labels) + lineBytes)
	}
	return n
}

// keptBytes is up to what a line may take, on average over a family, if lines are to be
// kept. Of others each answer renders its own.
const keptBytes = 512

func (f *Family) keepsLines() bool {
	return f.measured().bytes <= keptBytes*max(f.Words(), 1)
}

// Within is how many of the series take about so many bytes of text, at least one.
func (f *Family) Within(bytes int) int {
	return max(1, min(len(f.Series), bytes/max(1, f.measured().bytes/max(1, len(f.Series)))))
}
