package redisstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

var (
	errClear    = errors.New("redis TLS: files or a server name for it, but the URL does not begin with rediss")
	errHalfPair = errors.New("redis TLS: a certificate and its key go together")
)

// tls is nil where the URL asks for none. Files that would then go unused are an
// error: who names them does not want a password to be sent in the clear.
func (c Config) tls(at address) (*tls.Config, error) {
	if !at.secure {
		if c.CAFile+c.CertFile+c.KeyFile+c.ServerName != "" {
			return nil, errClear
		}
		return nil, nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("redis TLS CA file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("redis TLS CA file: %s: no certificate in it", c.CAFile)
		}
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return nil, errHalfPair
	}
	if c.CertFile == "" {
		return conf, nil
	}
	conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.certificate() }
	_, err := c.certificate()
	return conf, err
}

func (c Config) certificate() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("redis TLS certificate %s and key %s: %w", c.CertFile, c.KeyFile, err)
	}
	return &pair, nil
}

// dialer makes connections until the context's deadline, the TLS handshake
// included. conf nil: without TLS.
func dialer(timeout time.Duration, conf *tls.Config) func(context.Context, string, string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: timeout}
	if conf == nil {
		return plain.DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		conn, err := plain.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		secure := tls.Client(conn, forHost(conf, addr))
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("TLS handshake with %s: %w", addr, err)
		}
		return secure, nil
	}
}

// forHost has the server's name in it: that of the host, unless one was given.
func forHost(conf *tls.Config, addr string) *tls.Config {
	if conf.ServerName != "" {
		return conf
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	conf = conf.Clone()
	conf.ServerName = host
	return conf
}
