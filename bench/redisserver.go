//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisServer is a Redis of our own on the loopback, which keeps nothing on disk.
type redisServer struct {
	cmd    *exec.Cmd
	port   string
	client *redis.Client // of one connection, for what is asked of the server itself
	// Bytes of one question for its statistics, and of the answer.
	asking, telling int64
}

func (l *lab) redis() (*redisServer, error) {
	dir, err := l.directory()
	if err != nil {
		return nil, err
	}
	for range 5 { // somebody may take the port before the server does
		var s *redisServer
		if s, err = startRedis(dir); err == nil {
			return s, nil
		}
	}
	return nil, err
}

func startRedis(dir string) (*redisServer, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &redisServer{port: port}
	s.cmd = exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", dir,
		"--save", "", "--appendonly", "no", "--loglevel", "warning")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // whatever becomes of us
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: .ci/install-bench installs it", err)
	}
	s.client = s.connected()
	if err := s.answers(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// connected is a client of one connection.
func (s *redisServer) connected() *redis.Client { return redisAt(s.port) }

func redisAt(port string) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port, PoolSize: 1, MaxRetries: -1, DisableIdentity: true})
}

// freePort is one that nobody has for the moment.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// answers waits until the server does, and learns what asking costs.
func (s *redisServer) answers() error {
	err := errors.New("the server does not answer")
	for began := time.Now(); err != nil && time.Since(began) < 10*time.Second; time.Sleep(time.Millisecond) {
		err = s.client.Ping(context.Background()).Err()
	}
	if err != nil {
		return err
	}
	about, err := s.client.Info(context.Background(), "server").Result()
	if err != nil {
		return err
	}
	if !strings.Contains(about, fmt.Sprintf("process_id:%d\r", s.cmd.Process.Pid)) {
		return fmt.Errorf("somebody else's server has port %s", s.port)
	}
	before, err := s.usage()
	if err != nil {
		return err
	}
	after, err := s.usage()
	if err != nil {
		return err
	}
	s.asking, s.telling = after.received-before.received, after.sent-before.sent
	return nil
}

func (s *redisServer) close() {
	_ = s.client.Close()
	_ = s.cmd.Process.Kill() // it has nothing to lose
	_ = s.cmd.Wait()
}

// usage is what clients have asked of a server.
type usage struct {
	commands map[string]int64 // by name, without those of the suite's own
	received int64            // bytes
	sent     int64
}

// ownCommands are what the suite asks, and what connections begin with.
var ownCommands = regexp.MustCompile(`^(info|ping|hello|client.*|command.*|select|auth)$`)

// usage is as of now.
func (s *redisServer) usage() (*usage, error) {
	text, err := s.client.Info(context.Background(), "stats", "commandstats").Result()
	if err != nil {
		return nil, err
	}
	u := &usage{commands: make(map[string]int64)}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if into := map[string]*int64{"total_net_input_bytes": &u.received, "total_net_output_bytes": &u.sent}[name]; into != nil {
			if *into, err = strconv.ParseInt(value, 10, 64); err != nil {
				return nil, err
			}
		}
		if name, ok := strings.CutPrefix(name, "cmdstat_"); ok && !ownCommands.MatchString(name) {
			var calls int64
			if _, err := fmt.Sscanf(value, "calls=%d,", &calls); err != nil {
				return nil, fmt.Errorf("%q: %w", line, err)
			}
			u.commands[name] = calls
		}
	}
	return u, nil
}

// during is what clients asked while something was done.
func (s *redisServer) during(do func() error) (*usage, error) {
	before, err := s.usage()
	if err != nil {
		return nil, err
	}
	if err := do(); err != nil {
		return nil, err
	}
	after, err := s.usage()
	if err != nil {
		return nil, err
	}
	after.received -= before.received + s.asking
	after.sent -= before.sent + s.telling
	for name := range after.commands {
		if after.commands[name] -= before.commands[name]; after.commands[name] == 0 {
			delete(after.commands, name)
		}
	}
	return after, nil
}

// calls is how many commands there were of all names.
func (u *usage) calls() (total int64) {
	for _, n := range u.commands {
		total += n
	}
	return total
}
