package redistest

import (
	"context"
	"fmt"
	"net"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// URL is where the server listens: its port, or else its socket. A password is
// not in it.
func (s *Server) URL() string {
	switch {
	case s.opts.TLS:
		return "rediss://" + s.Addr()
	case s.opts.Port:
		return "redis://" + s.Addr()
	default:
		return "unix://" + s.socket()
	}
}

// Addr is the server's host:port, or the path of its socket where it has no port.
func (s *Server) Addr() string {
	if s.opts.Port {
		return fmt.Sprintf("127.0.0.1:%d", s.port)
	}
	return s.socket()
}

// Client is a plain client, as the default user over the socket. It is closed at
// the end of the test.
func (s *Server) Client() *redis.Client {
	c := redis.NewClient(s.clientOptions())
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (s *Server) clientOptions() *redis.Options {
	return &redis.Options{
		Network:         "unix",
		Addr:            s.socket(),
		Password:        s.opts.Password,
		DisableIdentity: true,
		DialerRetries:   1,
		MaxRetries:      -1,
		// It would ask at the start of each connection whether the server has any.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// ping is a try with a connection of its own, at the address that users of the
// server have.
func (s *Server) ping(ctx context.Context) error {
	opts := s.clientOptions()
	if s.opts.Port {
		opts.Network, opts.Addr = "tcp", s.Addr()
	}
	if s.opts.TLS {
		opts.TLSConfig = s.clientTLS()
	}
	// go-redis would log every refusal.
	conn, err := new(net.Dialer).DialContext(ctx, opts.Network, opts.Addr)
	if err != nil {
		return err
	}
	_ = conn.Close()
	c := redis.NewClient(opts)
	defer func() { _ = c.Close() }()
	return c.Ping(ctx).Err()
}
