package exporter

import (
	"context"
	"errors"
	"sync"
)

// sharer lets overlapping requests share a piece of work. A request shares only
// work that began after the request came, so what it gets is never older than
// itself. At most one piece is being worked on and one is waiting.
//
// The work is done on the goroutine of the request that asked for it first. It
// goes on when that request ends, as long as another one waits for it.
type sharer[T any] struct {
	work func(context.Context) (T, error)

	// turn holds a token while somebody works. It is taken before mu.
	turn chan struct{}

	mu      sync.Mutex // guards the fields below and the fields clients of batches
	waiting *batch[T]  // may be joined; nil if there is none
}

// batch is a piece of work with its clients.
type batch[T any] struct {
	ctx    context.Context // ends when the last client is gone
	cancel context.CancelFunc

	clients int

	// done is closed when result and err are set.
	done   chan struct{}
	result T
	err    error
}

// errAborted is what the others get when the work panics. The panic itself goes
// to the one that does the work.
var errAborted = errors.New("aborted")

func newSharer[T any](work func(context.Context) (T, error)) *sharer[T] {
	return &sharer[T]{work: work, turn: make(chan struct{}, 1)}
}

// get does the work, or shares it. It returns early when ctx ends and others
// remain to do the work.
func (s *sharer[T]) get(ctx context.Context) (T, error) {
	b, first := s.join()
	leave := sync.OnceFunc(func() { s.leave(b) })
	stop := context.AfterFunc(ctx, leave)
	defer leave()
	defer stop()
	if first {
		s.lead(b)
	}
	select {
	case <-b.done:
		return b.result, b.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

func (s *sharer[T]) join() (b *batch[T], first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == nil {
		b := &batch[T]{done: make(chan struct{}), err: errAborted}
		b.ctx, b.cancel = context.WithCancel(context.Background()) //nolint:gosec // G118: leave cancels
		s.waiting, first = b, true
	}
	s.waiting.clients++
	return s.waiting, first
}

// leave ends the batch when nobody wants it any more.
func (s *sharer[T]) leave(b *batch[T]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.clients--
	if b.clients > 0 {
		return
	}
	b.cancel()
	if s.waiting == b {
		s.waiting = nil
	}
}

// lead waits for its turn and works.
func (s *sharer[T]) lead(b *batch[T]) {
	defer close(b.done)
	select {
	case s.turn <- struct{}{}:
	case <-b.ctx.Done():
		b.err = b.ctx.Err()
		return
	}
	defer func() { <-s.turn }()
	s.begin(b)
	b.result, b.err = s.work(b.ctx)
}

// begin closes the batch to further clients.
func (s *sharer[T]) begin(b *batch[T]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == b {
		s.waiting = nil
	}
}
