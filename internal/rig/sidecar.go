//go:build linux

package rig

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// Sidecar is promfold beside an application. It is killed and started again on
// the same directory, each time at another address.
type Sidecar struct {
	what Command
	run  atomic.Pointer[sidecarRun]
	// Kills is odd from before a kill until the next run serves, so that a scrape
	// knows whether its failure is forgiven.
	Kills atomic.Int64
	log   strings.Builder // of the runs before; the test's goroutine alone has it
}

type sidecarRun struct {
	*Process
	url string
}

var listening = regexp.MustCompile(`msg="Listening on" address=(127\.0\.0\.1:\d+)`)

// Seat is where a sidecar runs.
type Seat struct {
	User     User
	OtherPID bool // in a pid namespace of its own
}

// StartSidecar starts promfold serve on a directory, on a free port.
func StartSidecar(t testing.TB, program string, s Seat, dir string, flags ...string) *Sidecar {
	t.Helper()
	args := append([]string{program, "serve", "--multiproc.dir=" + dir, "--web.listen-address=127.0.0.1:0"}, flags...)
	what := Command{Args: args, User: s.User}
	if s.OtherPID {
		NeedRoot(t)
		enter := []string{"unshare", "--pid", "--fork", "--mount-proc"}
		if s.User.UID != 0 { // only root may unshare
			enter = append(enter, "setpriv", "--clear-groups",
				"--reuid", strconv.Itoa(int(s.User.UID)), "--regid", strconv.Itoa(int(s.User.GID)), "--")
		}
		what = Command{Args: append(enter, args...)}
	}
	return StartAs(t, what)
}

// StartAs starts a command that becomes promfold.
func StartAs(t testing.TB, what Command) *Sidecar {
	t.Helper()
	s := &Sidecar{what: what}
	s.start(t)
	return s
}

func (s *Sidecar) start(t testing.TB) {
	t.Helper()
	p := Start(t, "promfold", s.what)
	address := p.Says(t, listening, 1, Patience)[1]
	s.run.Store(&sidecarRun{p, "http://" + address + "/metrics"})
}

// Restart kills the sidecar and starts another.
func (s *Sidecar) Restart(t testing.TB) {
	t.Helper()
	s.Kills.Add(1)
	run := s.run.Load()
	run.Kill()
	s.log.WriteString(run.Out.String())
	s.start(t)
	s.Kills.Add(1)
}

// URL is where the present run serves.
func (s *Sidecar) URL() string { return s.run.Load().url }

// Process is the present run.
func (s *Sidecar) Process() *Process { return s.run.Load().Process }

// Stop ends the sidecar in good order and returns all that it ever logged.
func (s *Sidecar) Stop(t testing.TB) string {
	t.Helper()
	run := s.run.Load()
	run.signalGroup(syscall.SIGTERM)
	_ = run.Ended(t, Patience)
	return s.log.String() + run.Out.String()
}

var scraper = &http.Client{Timeout: Patience, Transport: &http.Transport{DisableKeepAlives: true}}

// Scrape asks once.
func (s *Sidecar) Scrape() (Samples, error) { return Ask(scraper, s.URL()) }

// Ask scrapes as the client does.
func Ask(c *http.Client, url string) (Samples, error) {
	resp, err := c.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", resp.Status, body)
	}
	return Parse(string(body))
}

// Scraped asks once, and the answer must be good.
func (s *Sidecar) Scraped(t testing.TB) Samples {
	t.Helper()
	got, err := s.Scrape()
	if err != nil {
		t.Fatalf("scrape: %v", err)
	}
	return got
}
