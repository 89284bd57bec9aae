//go:build interop && linux

package interop_test

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
	"time"
)

// sidecar is promfold beside an application. It is killed and started again on
// the same directory, each time at another address.
type sidecar struct {
	what command
	run  atomic.Pointer[sidecarRun]
	// kills is odd from before a kill until the next run serves, so that a scrape
	// knows whether its failure is forgiven.
	kills atomic.Int64
	log   strings.Builder // of the runs before; the test's goroutine alone has it
}

type sidecarRun struct {
	*process
	url string
}

var listening = regexp.MustCompile(`address=(127\.0\.0\.1:\d+)`)

// seat is where a sidecar runs.
type seat struct {
	user     user
	otherPID bool // in a pid namespace of its own
}

func startSidecar(t *testing.T, s seat, dir string, flags ...string) *sidecar {
	t.Helper()
	args := append([]string{promfold(), "serve", "--multiproc.dir=" + dir, "--web.listen-address=127.0.0.1:0"}, flags...)
	what := command{args: args, user: s.user}
	if s.otherPID {
		needRoot(t)
		enter := []string{"unshare", "--pid", "--fork", "--mount-proc"}
		if s.user.uid != 0 { // only root may unshare
			enter = append(enter, "setpriv", "--clear-groups",
				"--reuid", strconv.Itoa(int(s.user.uid)), "--regid", strconv.Itoa(int(s.user.gid)), "--")
		}
		what = command{args: append(enter, args...)}
	}
	return startAs(t, what)
}

// startAs starts a command that becomes promfold.
func startAs(t *testing.T, what command) *sidecar {
	t.Helper()
	s := &sidecar{what: what}
	s.start(t)
	return s
}

func (s *sidecar) start(t *testing.T) {
	t.Helper()
	p := start(t, "promfold", s.what)
	address := p.says(t, listening, 1, 20*time.Second)[1]
	s.run.Store(&sidecarRun{p, "http://" + address + "/metrics"})
}

// restart kills the sidecar and starts another.
func (s *sidecar) restart(t *testing.T) {
	t.Helper()
	s.kills.Add(1)
	run := s.run.Load()
	run.kill()
	s.log.WriteString(run.out.String())
	s.start(t)
	s.kills.Add(1)
}

// stop ends the sidecar in good order and returns all that it ever logged.
func (s *sidecar) stop(t *testing.T) string {
	t.Helper()
	run := s.run.Load()
	_ = syscall.Kill(-run.cmd.Process.Pid, syscall.SIGTERM)
	_ = run.ended(t, 20*time.Second)
	return s.log.String() + run.out.String()
}

var scraper = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// scrape asks once.
func (s *sidecar) scrape() (samples, error) {
	resp, err := scraper.Get(s.run.Load().url)
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
	return parse(string(body))
}

// scraped asks once, and the answer must be good.
func (s *sidecar) scraped(t *testing.T) samples {
	t.Helper()
	got, err := s.scrape()
	if err != nil {
		t.Fatalf("scrape: %v", err)
	}
	return got
}
