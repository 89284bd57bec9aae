package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"time"
)

// ServerName is the name in the certificates of servers, beside 127.0.0.1.
const ServerName = "redis.test"

// CAFile is the certificate of the server's own authority, in PEM.
func (s *Server) CAFile() string { return s.path("ca.crt") }

// ClientCertFile and ClientKeyFile are a client's certificate, by the same authority.
func (s *Server) ClientCertFile() string { return s.path("client.crt") }

// ClientKeyFile is the key of ClientCertFile.
func (s *Server) ClientKeyFile() string { return s.path("client.key") }

// issued is a certificate and its key.
type issued struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (s *Server) makeCertificates() {
	s.t.Helper()
	ca := s.issue("ca", &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil)
	s.issue("server", &x509.Certificate{
		DNSNames: []string{ServerName}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, &ca)
	s.issue("client", &x509.Certificate{
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, &ca)
}

// issue makes a key, has by sign its certificate, or itself, and writes both.
func (s *Server) issue(name string, template *x509.Certificate, by *issued) issued {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(24 * time.Hour)
	if by == nil {
		by = &issued{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, &key.PublicKey, by.key)
	if err != nil {
		s.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		s.t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	s.writePEM(name+".crt", "CERTIFICATE", der)
	s.writePEM(name+".key", "PRIVATE KEY", pkcs8)
	return issued{cert, key}
}

func (s *Server) writePEM(name, kind string, der []byte) {
	s.t.Helper()
	block := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(s.path(name), block, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// clientTLS is what a client of the server needs.
func (s *Server) clientTLS() *tls.Config {
	s.t.Helper()
	ca, err := os.ReadFile(s.CAFile())
	if err != nil {
		s.t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(s.ClientCertFile(), s.ClientKeyFile())
	if err != nil {
		s.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}
