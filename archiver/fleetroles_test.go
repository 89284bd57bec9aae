package archiver

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/stocktest"
	"github.com/promfold/promfold/mmapstore"
)

// What the processes of a fleet do.

// answerScrapes is the life of a reader process.
func answerScrapes() { answer(directory.New(os.Args[1], directory.Options{})) }

func answer(d *directory.Directory) {
	m := aggregate.NewMerger(nil)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		got, err := flatScrape(d, m)
		check(err)
		b, err := json.Marshal(got)
		check(err)
		_, err = os.Stdout.Write(append(b, '\n'))
		check(err)
	}
}

// serveAndArchive is the life of an exporter that archives: both share the open
// files.
func serveAndArchive() {
	d := directory.New(os.Args[1], directory.Options{Archiving: true})
	a := New(d, Options{Interval: 10 * time.Millisecond})
	go func() { check(a.Run(bg)) }()
	answer(d)
}

// tally is the life of a worker process: it counts as many units as it reads, and
// says so when they are counted.
func tally() {
	dir, kind, pid := os.Args[1], os.Args[2], os.Args[3]
	count := map[string]func(dir, pid string) func(int){native: tallyNative, stock: tallyStock}[kind](dir, pid)
	fmt.Println("born")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var n int
		_, err := fmt.Sscan(in.Text(), &n)
		check(err)
		count(n)
		fmt.Println("ok")
	}
}

func tallyNative(dir, _ string) func(int) {
	w, err := mmapstore.Create(dir, mmapstore.WriterOptions{})
	check(err)
	slot := func(f mmapstore.Family) mmapstore.Slot {
		n, err := w.AddFamily(f)
		check(err)
		s, err := w.AddSeries(n, "", time.Now())
		check(err)
		return s
	}
	c := slot(mmapstore.Family{Name: "c_total", Type: mmapstore.Counter})
	f := slot(mmapstore.Family{Name: "f_total", Type: mmapstore.Counter})
	h := slot(mmapstore.Family{Name: "h", Type: mmapstore.Histogram, Bounds: bounds})
	return func(n int) {
		for range n {
			c.Cells[0].Add(1)
			addFloat(&f.Cells[1], 0.5)
			addFloat(&h.Cells[0], 0.25)
			h.Cells[1].Add(1)
		}
	}
}

func tallyStock(dir, pid string) func(int) {
	open := func(name string) *stocktest.File {
		f, err := stocktest.Open(filepath.Join(dir, name+"_"+pid+".db"))
		check(err)
		return f
	}
	counters, histograms, gauges := open("counter"), open("histogram"), open("gauge_livesum")
	gauge := stocktest.Key("g", "g", "A gauge.")
	check(gauges.Set(gauge, 0, 0))
	sum := stocktest.Key("h", "h_sum", "Seconds.")
	var buckets []string
	for _, le := range []string{"1.0", "5.0", "+Inf"} {
		buckets = append(buckets, stocktest.Key("h", "h_bucket", "Seconds.", "le="+le))
		check(histograms.Set(buckets[len(buckets)-1], 0, 0))
	}
	add := func(f *stocktest.File, key string, n float64) { check(f.Add(key, n)) }
	return func(n int) {
		for range n {
			add(counters, stocktest.CounterKey, 1)
			add(counters, stocktest.Key("f", "f_total", "Halves."), 0.5)
			add(histograms, sum, 0.25)
			add(histograms, buckets[0], 1)
		}
		check(gauges.Set(gauge, float64(n), 0))
	}
}

func addFloat(cell *mmapstore.Word, v float64) {
	for {
		old := cell.Load()
		if cell.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return
		}
	}
}
