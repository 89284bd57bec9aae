//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What a side says of its datagrams. The peer names them as we do.
const (
	hermesAccepted = "promfold_hermes_packets_accepted_total"
	hermesDropped  = "promfold_hermes_packets_dropped_total"
)

// hermesSide is a process that receives datagrams, and another that sends to it.
type hermesSide struct {
	*scraper
	sender  *hermesSender
	process *os.Process
	ours    bool
	port    string // as /proc/net/udp has it
	end     func()

	sent           int
	accepted, lost int // as of the last settle
}

var hermesListening = regexp.MustCompile(`address=(127\.0\.0\.1:\d+) network=udp`)

// ourHermes is promfold as an operator runs it, on a directory of its own.
func (l *lab) ourHermes(shape string, flags ...string) (*hermesSide, error) {
	dir, err := l.directory()
	if err != nil {
		return nil, err
	}
	config, err := l.hermesConfig()
	if err != nil {
		return nil, err
	}
	s, err := l.serve(dir, append([]string{"--no-archive", "--hermes.config=" + config, "--hermes.listen-address=127.0.0.1:0"}, flags...)...)
	if err != nil {
		return nil, err
	}
	side := &hermesSide{scraper: s.scraper, process: s.cmd.Process, ours: true, end: func() {
		s.close()
		_ = os.RemoveAll(dir)
	}}
	address := hermesListening.FindStringSubmatch(s.said)
	if address == nil {
		side.end()
		return nil, fmt.Errorf("promfold serve does not say where it receives:\n%s", s.said)
	}
	return side.with(l, address[1], shape)
}

// theirHermes is the peer, with a receive buffer of so many bytes or, for 0, that of
// the system.
func (l *lab) theirHermes(shape string, buffer int) (*hermesSide, error) {
	config, err := l.hermesConfig()
	if err != nil {
		return nil, err
	}
	cmd := again("hermes-peer", config, strconv.Itoa(buffer))
	cmd.Stderr = l.log
	if _, err := cmd.StdinPipe(); err != nil { // which ends with us
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	side := &hermesSide{process: cmd.Process, end: func() { endProcess(cmd) }}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		side.end()
		return nil, fmt.Errorf("%s: %w", cmd, err)
	}
	udp, web, _ := strings.Cut(strings.TrimSpace(line), " ")
	if side.scraper, err = connect(web); err != nil {
		side.end()
		return nil, err
	}
	return side.with(l, udp, shape)
}

func endProcess(cmd *exec.Cmd) {
	_ = cmd.Process.Kill() // it has nothing to lose
	_ = cmd.Wait()
}

// with starts the sender.
func (s *hermesSide) with(l *lab, address, shape string) (_ *hermesSide, err error) {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		var n int
		n, err = strconv.Atoi(port)
		s.port = fmt.Sprintf("0100007F:%04X", n)
	}
	if err == nil {
		s.sender, err = l.sendTo(address, shape)
	}
	if err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

func (l *lab) hermesConfig() (string, error) {
	path := filepath.Join(l.root, "hermes.json")
	return path, os.WriteFile(path, []byte(hermesConfig), 0o600)
}

func (s *hermesSide) close() error {
	s.end()
	return s.sender.close()
}

// take sends so many datagrams to a process that is stopped meanwhile, so that they
// all wait for it, and lets it take them. It returns the processor time of that.
func (s *hermesSide) take(n int) (time.Duration, error) {
	if err := s.process.Signal(syscall.SIGSTOP); err != nil {
		return 0, err
	}
	sent := s.send(n)
	before, told := s.processorTime()
	if err := errors.Join(sent, told, s.process.Signal(syscall.SIGCONT)); err != nil {
		return 0, err
	}
	if err := s.drained(); err != nil {
		return 0, err
	}
	after, err := s.processorTime()
	return after - before, err
}

// feed sends so many datagrams, at the pace of the process. None is lost.
func (s *hermesSide) feed(n int) error {
	for ; n > 0; n -= hermesPortion {
		if err := errors.Join(s.send(min(n, hermesPortion)), s.taken()); err != nil {
			return err
		}
	}
	if err := errors.Join(s.drained(), s.settle()); err != nil {
		return err
	}
	if s.lost > 0 {
		return fmt.Errorf("%d of %d datagrams were lost, although they came slowly", s.lost, s.sent)
	}
	return nil
}

func (s *hermesSide) send(n int) error {
	s.sent += n
	return s.sender.send(n)
}

// processorTime is what the process has used, of user and system time.
func (s *hermesSide) processorTime() (time.Duration, error) {
	const ofProcess = 2 // CPUCLOCK_SCHED: what the scheduler has counted, in nanoseconds
	var t unix.Timespec
	err := unix.ClockGettime(int32(^s.process.Pid<<3|ofProcess), &t)
	return time.Duration(t.Nano()), err
}

const (
	hermesPoll = time.Millisecond
	// hermesRest is long enough to count a last batch after it has left the socket.
	hermesRest = 20 * time.Millisecond
	// hermesPortion is how many datagrams any buffer has room for.
	hermesPortion = 100
)

// drained waits until no datagram waits, and those that were taken are counted.
func (s *hermesSide) drained() error {
	err := s.taken()
	time.Sleep(hermesRest)
	return err
}

// taken waits until no datagram waits.
func (s *hermesSide) taken() error {
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(hermesPoll) {
		if waiting, err := s.waiting(); err != nil || !waiting {
			return err
		}
	}
	return errors.New("datagrams wait, and are not taken")
}

// waiting reports whether there are datagrams that the process has not taken.
func (s *hermesSide) waiting() (bool, error) {
	const looks = 10 // the file may leave out a socket while others come and go
	for range looks {
		text, err := os.ReadFile("/proc/net/udp")
		if err != nil {
			return false, err
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) > 4 && fields[1] == s.port {
				return !strings.HasSuffix(fields[4], ":00000000"), nil
			}
		}
	}
	return false, fmt.Errorf("no socket %s in /proc/net/udp", s.port)
}

// settle asks the process how many datagrams it has counted. Those that are missing
// were lost, of which our side must know.
func (s *hermesSide) settle() error {
	e, err := s.samples()
	if err != nil {
		return err
	}
	s.accepted = int(e.Sum(hermesAccepted))
	s.lost = s.sent - s.accepted
	if dropped := int(e.Sum(hermesDropped)); s.ours && dropped != s.lost {
		return fmt.Errorf("promfold counted %d datagrams of %d, and %d that were dropped", s.accepted, s.sent, dropped)
	}
	return nil
}
