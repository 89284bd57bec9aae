//go:build unix

package archiver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// Options are the choices of New. The zero value works.
type Options struct {
	// Interval is the time between rounds. Default 5 s. Changes in the
	// directory start one earlier. A stock client's file that was set aside
	// rests for as long before it is folded.
	Interval time.Duration
	// Fold are the limits of the archive.
	Fold aggregate.FoldOptions
	// Logger hears of takeovers and failures. Default: nobody.
	Logger *slog.Logger

	// LockTimeout bounds how long Once waits for another archiver to let go of
	// the directory. Default: as long as its context.
	LockTimeout time.Duration
	// WarnUnknown logs when the liveness of files cannot be told, where no exporter
	// in the process does.
	WarnUnknown bool
	// Progress is told now and then how many of the files in a long round are
	// done. Default: the log is.
	Progress func(done, total int)

	// step is called at each step, for tests that kill.
	step func(Step)
	// commitWait bounds how long a commit lets readers finish that asked for quiet.
	commitWait time.Duration
}

// Stats is what an archiver did since New.
type Stats struct {
	Active    bool   // this archiver holds the directory; otherwise it stands by
	Commits   uint64 // archives written
	Absorbed  uint64 // files folded and removed
	Discarded uint64 // files of stock clients removed, in which nothing outlived its process
	Foreign   bool   // another program archives the stock clients' files
	Full      bool   // there is no room even for a directory of ours
	Unknown   int    // stock clients' files of which nobody can tell whether the writer lives
	Swept     uint64 // temporary files of processes that died at birth
	Failures  uint64 // rounds that failed
	SetAside  uint64 // damaged files and archives that were renamed
	LastRound time.Time
}

// Archiver archives one directory. Its methods may be called by several
// goroutines; rounds run one at a time.
type Archiver struct {
	d *directory.Directory
	o Options

	// round is held during a round, and guards what follows; it is taken
	// before mu.
	round sync.Mutex
	lock  *directory.Lock // on the directory, while Run has it
	// resting is since when files of stock clients have been aside, as far as
	// we know.
	resting map[mmapstore.ID]time.Time
	// asked is when it was last asked which of them have rested for long enough.
	asked time.Time
	// mourned are the files of stock clients that were found dead, by path.
	mourned map[string]mourned
	// lookAgain is when all of them are looked at again, at the earliest.
	lookAgain time.Time
	warned    bool // nobody could tell of some whether they live
	expected  estimate

	lastFailure string // the kind logged last by Run, which alone uses it

	mu    sync.Mutex // guards what follows
	stats Stats
}

// New makes an archiver of the directory, which an exporter may share. It does
// nothing before Run or Once.
func New(d *directory.Directory, o Options) *Archiver {
	o.Interval = cmp.Or(o.Interval, 5*time.Second)
	o.commitWait = cmp.Or(o.commitWait, 10*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.step == nil {
		o.step = func(Step) {}
	}
	o.Logger = o.Logger.With("dir", d.Path())
	return &Archiver{d: d, o: o, resting: make(map[mmapstore.ID]time.Time)}
}

// Stats is a snapshot.
func (a *Archiver) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stats
}

func (a *Archiver) note(change func(*Stats)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.stats)
}

// Run archives the directory at path until ctx ends: New and Archiver.Run for a
// program that has no Directory of its own.
func Run(ctx context.Context, path string, o Options) error {
	d := directory.New(path, directory.Options{Archiving: true})
	defer d.Close()
	return New(d, o).Run(ctx)
}

// Run archives until ctx ends, standing by while another archiver has the
// directory and waiting while there is no directory. What goes wrong in a round
// is logged and tried again in the next. Run returns nil when ctx has ended.
func (a *Archiver) Run(ctx context.Context) error {
	w := newWaker(a.d.Path())
	defer w.close()
	for ctx.Err() == nil {
		if err := a.hold(ctx, w); ctx.Err() == nil {
			a.report("Cannot archive, will try again", err)
		}
		w.wait(ctx, a.o.Interval)
	}
	return nil
}

// hold takes the directory and archives for as long as it is the same one.
func (a *Archiver) hold(ctx context.Context, w *waker) error {
	lock, err := directory.LockDir(ctx, a.d.Path(), false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its creator may come later
	}
	if err != nil {
		return err
	}
	a.setLock(lock)
	defer a.setLock(nil)
	a.o.Logger.Info("Archiving")
	for ctx.Err() == nil && lock.Covers(a.d.Path()) {
		w.watch()
		_, again, err := a.tryOnce(ctx)
		if ctx.Err() == nil {
			a.report("Round failed, nothing is lost", err)
		}
		wait := a.o.Interval
		if err == nil && !again.IsZero() { // somebody waits to be archived
			wait = min(wait, max(time.Until(again), onceRetry))
		}
		w.wait(ctx, wait)
	}
	return nil
}

// setLock notes the lock on the directory, or gives it up: not during a round,
// to which it may be all that keeps others away.
func (a *Archiver) setLock(lock *directory.Lock) {
	a.round.Lock()
	defer a.round.Unlock()
	if lock == nil {
		a.lock.Unlock()
	}
	a.lock = lock
	a.note(func(s *Stats) { s.Active = lock != nil })
}

// report counts a failure, and logs it unless it is of the kind of last time
// again: which files it names may change with every round.
func (a *Archiver) report(what string, err error) {
	if err == nil {
		a.lastFailure = ""
		return
	}
	a.note(func(s *Stats) { s.Failures++ })
	kind := err.Error()
	if errno := unix.Errno(0); errors.As(err, &errno) {
		kind = errno.Error()
	} else if reason := mmapstore.Reason(err); reason != mmapstore.ReasonIO {
		kind = reason
	}
	if a.lastFailure != kind {
		a.lastFailure = kind
		a.o.Logger.Warn(what, "err", err)
	}
}

// Once runs one round, waiting for another archiver to let go of the directory
// until ctx ends. If this Archiver is running, its lock serves. Files of stock
// clients that the round has set aside must rest before they are folded; Once
// waits for that, and runs another.
func (a *Archiver) Once(ctx context.Context) error {
	a.lookAtAll()
	began := time.Now()
	for {
		held, again, err := a.tryOnce(ctx)
		switch {
		case err != nil || held && again.IsZero():
			return err
		case !held && a.o.LockTimeout > 0 && time.Since(began) > a.o.LockTimeout:
			return fmt.Errorf("archive %s: another archiver keeps the lock: %w", a.d.Path(), context.DeadlineExceeded)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("archive %s, not finished: %w", a.d.Path(), ctx.Err())
		case <-time.After(max(time.Until(again), onceRetry)):
		}
	}
}

// lookAtAll lets the next round look at every file of a stock client, though that
// was done a moment ago.
func (a *Archiver) lookAtAll() {
	a.round.Lock()
	defer a.round.Unlock()
	a.lookAgain = time.Time{}
}

// onceRetry is how often Once asks for the lock of another process, which flock
// does not announce.
const onceRetry = 50 * time.Millisecond

// tryOnce runs a round, or reports that another has the directory. It must not
// wait for the lock with round held: Run takes them in the other order. again is
// when files that wait now are due, zero if there are none.
func (a *Archiver) tryOnce(ctx context.Context) (held bool, again time.Time, err error) {
	a.round.Lock()
	defer a.round.Unlock()
	if a.lock == nil {
		lock, err := directory.TryLockDir(a.d.Path(), false)
		if err != nil {
			return false, again, fmt.Errorf("archive %s: %w", a.d.Path(), err)
		}
		if lock == nil {
			return false, again, nil
		}
		defer lock.Unlock()
	}
	err = a.runRound(ctx)
	return true, a.nextDue(), err
}
