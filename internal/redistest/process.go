package redistest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// patience is how long a server may take to answer, or to end in order, on a busy
// machine.
const patience = 60 * time.Second

// errEnded: the server has ended. Its log says why.
var errEnded = errors.New("the server has ended")

// process is a running server. Its goroutine ends with it.
type process struct {
	os   *os.Process
	done chan struct{} // closed once it is dead and waited for
}

// start runs the command. The kernel kills the server when the thread that
// started it ends; so that this is when the test's process ends, however it ends,
// and never before, one goroutine holds the thread for as long as the server runs.
func start(cmd *exec.Cmd) (*process, error) {
	p := &process{done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		p.os = cmd.Process
		started <- err
		if err == nil {
			_ = cmd.Wait() // killed, mostly
		}
	}()
	return p, <-started
}

// dead is true once the process has ended.
func (p *process) dead() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// await asks until there is an answer, which a server that loads its data does
// not give.
func (p *process) await(answers func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		err := answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", err)
		case <-tick.C:
		}
	}
}
