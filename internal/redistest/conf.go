package redistest

import (
	"fmt"
	"path/filepath"
	"strings"
)

// conf is the redis.conf of the server.
func (s *Server) conf() string {
	lines := []string{
		"dir " + s.dir,
		"daemonize no",
		"loglevel notice",
		"unixsocket " + s.socket(),
		"bind 127.0.0.1",
		"protected-mode no",
	}
	lines = append(lines, s.listens()...)
	if !s.opts.Sentinel {
		lines = append(lines, s.persists()...)
	}
	if s.opts.cluster {
		lines = append(lines, "cluster-enabled yes", fmt.Sprint("cluster-port ", s.bus), "cluster-node-timeout 500")
	}
	if s.opts.Password != "" {
		lines = append(lines, "requirepass "+s.opts.Password)
	}
	lines = append(lines, s.opts.Conf...)
	return strings.Join(lines, "\n") + "\n"
}

func (s *Server) listens() []string {
	if !s.opts.TLS {
		return []string{fmt.Sprint("port ", s.port)}
	}
	clients := "no"
	if s.opts.Mutual {
		clients = "yes"
	}
	return []string{
		"port 0",
		fmt.Sprint("tls-port ", s.port),
		"tls-ca-cert-file " + s.CAFile(),
		"tls-cert-file " + filepath.Join(s.dir, "server.crt"),
		"tls-key-file " + filepath.Join(s.dir, "server.key"),
		"tls-auth-clients " + clients,
	}
}

// persists: what was acknowledged must be in the file before the client learns
// of it, hence always. The one save point is there for an orderly end to save.
func (s *Server) persists() []string {
	switch s.opts.Persist {
	case AOF:
		return []string{`save ""`, "appendonly yes", "appendfsync always"}
	case RDB:
		return []string{"save 86400 1", "appendonly no"}
	default:
		return []string{`save ""`, "appendonly no"}
	}
}
