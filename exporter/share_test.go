package exporter

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// gated is work that shows when it begins and ends when it is told to.
type gated struct {
	begun chan int
	end   chan struct{}
	n     int
}

func newGated() *gated { return &gated{begun: make(chan int, 100), end: make(chan struct{})} }

func (g *gated) work(ctx context.Context) (int, error) {
	g.n++
	n := g.n
	g.begun <- n
	select {
	case <-g.end:
		return n, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

type answer struct {
	n   int
	err error
}

func ask(ctx context.Context, s *sharer[int]) <-chan answer {
	ch := make(chan answer, 1)
	go func() {
		n, err := s.get(ctx)
		ch <- answer{n, err}
	}()
	return ch
}

// Requests that come while a piece of work runs share one piece, which begins
// after them all; the running one is not shared.
func TestShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		s := newSharer(g.work)
		first := ask(t.Context(), s)
		if n := <-g.begun; n != 1 {
			t.Fatalf("work %d began, want 1", n)
		}
		var later []<-chan answer
		for range 10 {
			later = append(later, ask(t.Context(), s))
		}
		synctest.Wait()
		g.end <- struct{}{}
		if a := <-first; a.n != 1 || a.err != nil {
			t.Errorf("the first got %+v", a)
		}
		g.end <- struct{}{}
		for i, ch := range later {
			if a := <-ch; a.n != 2 || a.err != nil {
				t.Errorf("request %d got %+v, want the second piece of work", i, a)
			}
		}
		if g.n != 2 {
			t.Errorf("work was done %d times, want 2", g.n)
		}
	})
}

// Work goes on while anybody wants it, even when the one that does it has gone,
// and is cancelled when nobody does.
func TestShareCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		s := newSharer(g.work)
		block := ask(t.Context(), s)
		<-g.begun
		ctxA, cancelA := context.WithCancel(t.Context())
		ctxB, cancelB := context.WithCancel(t.Context())
		a := ask(ctxA, s)
		synctest.Wait() // a leads
		b, c := ask(ctxB, s), ask(t.Context(), s)
		synctest.Wait()
		cancelA()
		cancelB()
		if got := <-b; !errors.Is(got.err, context.Canceled) {
			t.Errorf("a request that was given up got %+v", got)
		}
		g.end <- struct{}{}
		<-block
		<-g.begun
		g.end <- struct{}{}
		if got := <-c; got.n != 2 || got.err != nil {
			t.Errorf("the request that stayed got %+v", got)
		}
		<-a

		ctxD, cancelD := context.WithCancel(t.Context())
		d := ask(ctxD, s)
		<-g.begun
		cancelD() // and nobody ends the work
		if got := <-d; !errors.Is(got.err, context.Canceled) {
			t.Errorf("the only request was given up and got %+v", got)
		}
		e := ask(t.Context(), s)
		<-g.begun
		g.end <- struct{}{}
		if got := <-e; got.n != 4 || got.err != nil {
			t.Errorf("after a cancelled one a request got %+v", got)
		}
	})
}

// A request that gives up while it waits for its turn leaves no work behind, and
// those that come later are not harmed by it.
func TestShareGiveUpWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		s := newSharer(g.work)
		running := ask(t.Context(), s)
		<-g.begun
		ctx, cancel := context.WithCancel(t.Context())
		gone := ask(ctx, s)
		synctest.Wait()
		cancel()
		if got := <-gone; !errors.Is(got.err, context.Canceled) {
			t.Errorf("got %+v", got)
		}
		later := ask(t.Context(), s)
		g.end <- struct{}{}
		<-running
		<-g.begun
		g.end <- struct{}{}
		if got := <-later; got.n != 2 || got.err != nil {
			t.Errorf("the later request got %+v", got)
		}
	})
}

// A panic reaches the one that works; the others get an error, and the next
// request works as ever.
func TestSharePanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		calls := 0
		s := newSharer(func(context.Context) (int, error) {
			calls++
			if calls == 2 {
				panic("boom")
			}
			<-hold
			return calls, nil
		})
		first := ask(t.Context(), s)
		synctest.Wait()
		panicked := make(chan any)
		go func() {
			defer func() { panicked <- recover() }()
			_, _ = s.get(t.Context())
		}()
		synctest.Wait()
		joined := ask(t.Context(), s)
		synctest.Wait()
		close(hold)
		<-first
		if p := <-panicked; p != "boom" {
			t.Errorf("recovered %v", p)
		}
		if a := <-joined; !errors.Is(a.err, errAborted) {
			t.Errorf("the other request got %+v", a)
		}
		if a := <-ask(t.Context(), s); a.n != 3 || a.err != nil {
			t.Errorf("the next request got %+v", a)
		}
	})
}
