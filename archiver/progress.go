//go:build unix

package archiver

import "time"

// progress tells how far a long round is.
type progress struct {
	o           Options
	done, total int
	told        int // of done
	began, last time.Time
}

// long is how many files make a round worth telling about, and tellEvery how
// often it is told.
const (
	long      = 1000
	tellEvery = time.Second
)

func newProgress(o Options, total int) *progress {
	now := time.Now()
	return &progress{o: o, total: total, began: now, last: now}
}

func (p *progress) add(n int) {
	p.done += n
	if p.total >= long && time.Since(p.last) >= tellEvery {
		p.tell()
	}
}

func (p *progress) end() {
	if p.total >= long && p.told < p.done {
		p.tell()
	}
}

func (p *progress) tell() {
	p.last, p.told = time.Now(), p.done
	if p.o.Progress != nil {
		p.o.Progress(p.done, p.total)
		return
	}
	p.o.Logger.Info("Archiving the files of dead processes", "done", p.done, "of", p.total, "elapsed", time.Since(p.began))
}
