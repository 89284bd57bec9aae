//go:build unix

package mmapstore

import (
	"os"
)

// State is what the probes say of the process that writes a file.
type State uint8

// The states. Whoever acts on them treats CannotTell as Alive: nothing is
// archived, live modes count it, and it is said aloud.
const (
	CannotTell State = iota
	Alive
	Dead
)

func (s State) String() string { return [...]string{"unknown", "alive", "dead"}[s] }

// Method names the probe that decided, or MethodNone if none could answer.
type Method string

// The methods, in the order in which they are asked.
const (
	MethodLock  Method = "lock"  // the life lock of native files
	MethodLease Method = "lease" // a read lease: refused while a writer has the file open
	MethodPID   Method = "pid"   // pid and start time, in a namespace known to be ours
	MethodNone  Method = "none"
)

// Methods lists all values that Probe may return beside a state.
var Methods = []Method{MethodLock, MethodLease, MethodPID, MethodNone}

// Verdict is the answer to whether a writer lives.
type Verdict struct {
	State  State
	Method Method
}

// Suspect is a file whose writer may be dead.
type Suspect struct {
	File *os.File // open for reading only
	// Locked: the writer holds the life lock if it lives.
	Locked bool
	// Process is who wrote the file, if the file says so; nil otherwise.
	Process *Process
	// PID is what a file says that names a pid and no more, 0 if it names none.
	// SamePIDNamespace: that pid is known to mean the same to us. Else its
	// existence here is a sign of life, and its absence none of death.
	PID              int
	SamePIDNamespace bool
}

// Probe asks the probes in order. The first that says alive decides. Dead means
// that every probe which could answer said dead, and at least one did; the
// first of them is named. What the file holds must be read after Probe has
// answered, so that nothing written before death is missed.
func Probe(s Suspect) Verdict {
	verdict := Verdict{CannotTell, MethodNone}
	for _, p := range []struct {
		method Method
		ask    func(Suspect) State
	}{
		{MethodLock, probeLock},
		{MethodLease, probeLease},
		{MethodPID, probePID},
	} {
		switch p.ask(s) {
		case Alive:
			return Verdict{Alive, p.method}
		case Dead:
			if verdict.State == CannotTell {
				verdict = Verdict{Dead, p.method}
			}
		}
	}
	return verdict
}

// Probe asks whether the writer of the file lives.
func (r *Reader) Probe() Verdict {
	s := Suspect{File: r.f, Locked: r.header.Locked, Process: &r.header.Process}
	if closed, err := r.cells.word(offClosed); err == nil && closed == 1 {
		s.Process = nil
	}
	return Probe(s)
}

func probeLock(s Suspect) State {
	if !s.Locked {
		return CannotTell
	}
	held, err := lifeLockHeld(s.File)
	switch {
	case err != nil:
		return CannotTell
	case held:
		return Alive
	default:
		return Dead
	}
}
