package exposition

import (
	"math"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"

	"github.com/promfold/promfold/internal/escape"
)

// lines are the samples of a family up to where their numbers begin. A histogram
// has a line more than values, the total of its buckets being written twice.
type lines struct {
	text []byte
	ends []int // where in text each line ends, and the next one begins
}

// renderer writes the lines of one family.
type renderer struct {
	lines  // as far as they are
	family *Family
	style  Style
	name   string
	legacy bool // the name stands before the braces, not inside

	// separator comes before the next label: '{' until something is in braces.
	separator byte
	// labels and labelsEnd are where in text the labels of the present series
	// were written for its first line, to be copied for the others.
	labels, labelsEnd int

	// Series of a family are mostly alike but for the values of their labels.
	names  []labelName // by position, of the series before
	bounds []float64   // of the series before
	tails  []string    // what is behind the labels in the lines of its buckets
}

// labelName is what is written for the name of a label, up to its value.
type labelName struct{ name, text string }

// renderLines renders the lines of some series of the family.
func (f *Family) renderLines(style Style, all []Series) *lines {
	r := renderer{family: f, style: style, name: escape.Name(f.Name, style.scheme)}
	r.legacy = escape.Plain(r.name)
	r.ends = make([]int, 0, f.lineCount(all))
	r.text = make([]byte, 0, f.textBytes(all))
	for i := range all {
		r.series(&all[i])
	}
	if cap(r.text)-len(r.text) > len(r.text)/8 {
		r.text = slices.Clone(r.text) // the capacity would be kept as long as the family
	}
	return &lines{r.text, r.ends}
}

// lineCount is how many lines some series of the family have.
func (f *Family) lineCount(all []Series) (n int) {
	for i := range all {
		n += f.words(&all[i])
		if f.Type == dto.MetricType_HISTOGRAM {
			n++
		}
	}
	return n
}

// firstLine is where in ends a series begins.
func (f *Family) firstLine(series int) int {
	first := f.measured().firstWord(series)
	if f.Type == dto.MetricType_HISTOGRAM {
		first += series
	}
	return first
}

func (r *renderer) series(s *Series) {
	r.labels, r.labelsEnd = 0, 0
	switch r.family.Type {
	case dto.MetricType_HISTOGRAM:
		for _, tail := range r.bucketTails(s.Bounds) {
			r.begin(s, "_bucket")
			r.text = append(append(r.text, r.separator), tail...)
			r.ends = append(r.ends, len(r.text))
		}
		r.sample(s, "_sum")
		r.sample(s, "_count")
	case dto.MetricType_SUMMARY:
		r.sample(s, "_sum")
		r.sample(s, "_count")
	default:
		r.sample(s, "")
	}
}

// bucketTails has one for each bound, and one for infinity.
func (r *renderer) bucketTails(bounds []float64) []string {
	if r.tails != nil && slices.Equal(r.bounds, bounds) {
		return r.tails
	}
	r.bounds, r.tails = bounds, make([]string, 0, len(bounds)+1)
	for _, bound := range bounds {
		r.tails = append(r.tails, r.bucketTail(bound))
	}
	r.tails = append(r.tails, r.bucketTail(math.Inf(+1)))
	return r.tails
}

func (r *renderer) bucketTail(bound float64) string {
	b := []byte(model.BucketLabel + `="`)
	if spelled, ok := r.family.Spelling[bound]; ok && !r.style.openMetrics {
		b = appendEscaped(b, spelled, true)
	} else {
		b = appendFloat(b, bound, r.style.openMetrics)
	}
	return string(append(b, `"} `...))
}

func (r *renderer) sample(s *Series, suffix string) {
	r.begin(s, suffix)
	if r.separator == ',' {
		r.text = append(r.text, '}')
	}
	r.text = append(r.text, ' ')
	r.ends = append(r.ends, len(r.text))
}

// begin writes a line up to the last label of the series.
func (r *renderer) begin(s *Series, suffix string) {
	if r.legacy {
		r.text = append(append(r.text, r.name...), suffix...)
		r.separator = '{'
	} else {
		r.text = append(r.text, '{', '"')
		r.text = append(appendEscaped(r.text, r.name, true), suffix...)
		r.text = append(r.text, '"')
		r.separator = ','
	}
	if s.Labels == "" {
		return
	}
	if r.labelsEnd > 0 {
		r.text = append(r.text, r.text[r.labels:r.labelsEnd]...)
	} else {
		r.labels = len(r.text)
		r.writeLabels(s)
		r.labelsEnd = len(r.text)
	}
	r.separator = ','
}

func (r *renderer) writeLabels(s *Series) {
	separator, position := r.separator, 0
	for name, value := range s.Labels.All() {
		if name == model.MetricNameLabel {
			value = escape.Name(value, r.style.scheme)
		}
		r.text = append(append(r.text, separator), r.labelName(position, name)...)
		r.text = append(appendEscaped(r.text, value, true), '"')
		separator = ','
		position++
	}
}

func (r *renderer) labelName(position int, name string) string {
	if position == len(r.names) {
		r.names = append(r.names, labelName{})
	}
	known := &r.names[position]
	if known.name != name { // no label has an empty one
		escaped := escape.Name(escape.Label(name), r.style.scheme)
		*known = labelName{name, string(append(appendName(nil, escaped), '=', '"'))}
	}
	return known.text
}
