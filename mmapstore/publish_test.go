package mmapstore

import (
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	publishers       = 4    // goroutines that add series and count
	countsPerSeries  = 1000 // of each series, then the next is made
	seriesPerFamily  = 50   // of a goroutine, then it makes the next family
	publishedPerGo   = 2000 // series, at most
	publishedShort   = 200
	followedNews     = 150 // looks with news after which a reader has seen enough
	followedNewsLong = 1000
)

// addAndCount adds series and counts in them, each goroutine by itself: the whole
// part, then the fraction. It sets a gauge in mode latest to the number of the
// set, which is also its time, and another gauge to how many series it has made.
func addAndCount() {
	w := must(Create(os.Args[1], WriterOptions{}))
	fmt.Println(w.Path())
	for g := range publishers {
		go publishInto(w, g, publishedPerGo)
	}
	must(io.Copy(io.Discard, os.Stdin))
}

func publishInto(w *Writer, g, series int) {
	labels := func(n int) Labels {
		return must(EncodeLabels([]Label{{"g", strconv.Itoa(g)}, {"n", strconv.Itoa(n)}}))
	}
	own := must(EncodeLabels([]Label{{"g", strconv.Itoa(g)}}))
	latest := must(w.AddSeries(must(w.AddFamily(latestFamily)), own, time.Now()))
	made := must(w.AddSeries(must(w.AddFamily(gaugeFamily)), own, time.Now()))
	family := 0
	for n := range series {
		if n%seriesPerFamily == 0 {
			family = must(w.AddFamily(publishedFamily(n / seriesPerFamily)))
		}
		s := must(w.AddSeries(family, labels(n), time.Now()))
		for i := range countsPerSeries {
			s.Cells[0].Add(1)
			s.Cells[1].Store(bits(float64(i+1) / 2))
			set := int64(n*countsPerSeries + i + 1)
			SetLatest(latest.Cells, float64(set), set)
		}
		made.Cells[1].Store(bits(float64(n + 1)))
		made.Cells[0].Store(1)
	}
}

// publishedFamily is a family whose length differs from the next one's, so that
// records end anywhere in a chunk.
func publishedFamily(n int) Family {
	help := strings.Repeat(strconv.Itoa(n)+" ", 1+n*37%300)
	return Family{Name: "c" + strconv.Itoa(n), Help: help, Type: Counter}
}

// follower is a reader beside addAndCount, and what it saw last.
type follower struct {
	r     *Reader
	known int              // series that were looked at
	next  map[string]int   // by goroutine: how many of its series are there
	young map[string]int   // by goroutine: index of the youngest
	words map[int][]uint64 // by index of the series: the last values of what may change
}

// followFile reads until it has seen new series often enough, or all that the
// goroutines will make. It returns how often it was.
func followFile(path string, enough, series int) (news int, err error) {
	r, err := Open(path)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	f := follower{r: r, next: make(map[string]int), young: make(map[string]int), words: make(map[int][]uint64)}
	for news < enough && f.known < publishers*(series+2) {
		before := f.known
		if err := f.look(); err != nil {
			return news, fmt.Errorf("after %d series: %w", before, err)
		}
		if f.known > before {
			news++
		}
	}
	return news, nil
}

func (f *follower) look() error {
	if err := f.r.Refresh(); err != nil {
		return err // a record was seen that is not whole
	}
	s := f.r.Schema()
	words := make([]uint64, s.Words)
	if err := f.r.Load(words); err != nil {
		return err
	}
	for ; f.known < len(s.Series); f.known++ {
		if err := f.takeUp(&s, f.known, words); err != nil {
			return err
		}
	}
	for i, old := range f.words {
		family := &s.Families[s.Series[i].Family]
		check := counted
		if family.Type == Gauge {
			check = wasSet
		}
		cells := words[s.Series[i].Word : s.Series[i].Word+family.WordCount(1)]
		if err := check(old, cells, family.Mode); err != nil {
			return fmt.Errorf("%s%v: %w", family.Name, s.Series[i].Labels, err)
		}
		f.words[i] = cells
	}
	return nil
}

// takeUp: the series come in the order in which they were made, each as its
// writer meant it; and the one before it has all of its counts.
func (f *follower) takeUp(s *Schema, i int, words []uint64) error {
	family := &s.Families[s.Series[i].Family]
	f.words[i] = make([]uint64, family.WordCount(1))
	if family.Type == Gauge {
		return nil
	}
	g, n := labelPair(s.Series[i].Labels)
	if n != f.next[g] || family.Help != publishedFamily(n/seriesPerFamily).Help || s.Series[i].Created == 0 {
		return fmt.Errorf("%s%v after %d, created %d", family.Name, s.Series[i].Labels, f.next[g], s.Series[i].Created)
	}
	if older, ok := f.young[g]; ok {
		cells := words[s.Series[older].Word:]
		if cells[0] != countsPerSeries || cells[1] != bits(countsPerSeries/2.0) {
			return fmt.Errorf("%s%v: the one before has %d, %d", family.Name, s.Series[i].Labels, cells[0], cells[1])
		}
		delete(f.words, older)
	}
	f.next[g], f.young[g] = n+1, i
	return nil
}

// counted: both shares begin at zero and never go down, and the fraction, which
// is read later, is not behind by more than the count that is under way.
func counted(old, cells []uint64, _ Mode) error {
	whole, half := float64(cells[0]), math.Float64frombits(cells[1])
	if cells[0] < old[0] || half < math.Float64frombits(old[1]) {
		return fmt.Errorf("%v and %v after %d and %v", whole, half, old[0], math.Float64frombits(old[1]))
	}
	if whole > countsPerSeries || half < (whole-1)/2 || half > countsPerSeries/2 {
		return fmt.Errorf("%v whole, %v halves", whole, half)
	}
	return nil
}

// wasSet: the pair of one set belongs together, a mark comes after its value, and
// neither is taken back.
func wasSet(old, cells []uint64, mode Mode) error {
	v := math.Float64frombits(cells[1])
	if cells[0] < old[0] || v < math.Float64frombits(old[1]) {
		return fmt.Errorf("%d, %v after %d, %v", cells[0], v, old[0], math.Float64frombits(old[1]))
	}
	// The mark is read before the value, so a value without a mark is none yet.
	if cells[0] != 0 && (v < 1 || mode.Timed() && v != float64(cells[2])) {
		return fmt.Errorf("set to %v, words %d", v, cells)
	}
	return nil
}

func labelPair(l Labels) (g string, n int) {
	for name, value := range l.All() {
		if name == "g" {
			g = value
		} else {
			n, _ = strconv.Atoi(value)
		}
	}
	return g, n
}

// followAndTell is followFile in a process of its own.
func followAndTell() {
	fmt.Println(followFile(os.Args[1], must(strconv.Atoi(os.Args[2])), publishedPerGo))
}

// Property: who reads beside a writer, without a lock, in its own process or in
// others, never sees a record that is not whole, a count from before its series,
// half of a pair, or a share of a counter go down; and who sees a series sees
// all that the same goroutine counted before it made it.
//
// Under an emulator on an x86 machine this shows that the arm64 code is right
// about alignment, page size and the layout of the file. It cannot show that the
// order of stores is: guest loads and stores take the host's stronger order.
// That is TestPublishingOrderOnARM64's.
func TestReadersBesidePublishing(t *testing.T) {
	news := followedNewsLong
	if testing.Short() {
		news = followedNews
	}
	path := startChild(t, "publish", t.TempDir()).line()
	other := startChild(t, "follow", path, strconv.Itoa(news))
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() { follow(t, path, news, publishedPerGo) })
	}
	all.Wait()
	said := other.line()
	if !strings.HasSuffix(said, "<nil>") {
		t.Error("in another process:", said)
	}
	t.Log("in another process: news", said)
}

// Property: the same in the process that writes, whose race detector watches.
func TestReadersInThePublishingProcess(t *testing.T) {
	series := publishedPerGo
	if testing.Short() {
		series = publishedShort
	}
	w := newWriter(t, WriterOptions{})
	var all sync.WaitGroup
	for g := range publishers {
		all.Go(func() { publishInto(w, g, series) })
	}
	for range 2 {
		all.Go(func() { follow(t, w.Path(), math.MaxInt, series) })
	}
	all.Wait()
}

func follow(t *testing.T, path string, enough, series int) {
	n, err := followFile(path, enough, series)
	if err != nil {
		t.Error(err)
	}
	t.Logf("%d times new series", n)
}
