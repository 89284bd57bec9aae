//go:build attack && linux

package attack_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

// authority signs certificates for the loopback.
type authority struct {
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	serial int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return &authority{cert: cert, key: key, serial: 1}
}

// sign makes a certificate and its key, and puts them into files if they have names.
func (a *authority) sign(t *testing.T, certPath, keyPath string) (cert, key []byte, serial int64) {
	t.Helper()
	a.serial++
	leaf, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: "leaf"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &leaf.PublicKey, a.key)
	must(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(leaf)
	must(t, err)
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	if certPath != "" {
		must(t, os.WriteFile(certPath, cert, 0o600))
		must(t, os.WriteFile(keyPath, key, 0o600))
	}
	return cert, key, a.serial
}

// hash is of the password "right", as cheap as bcrypt gets.
const hash = "$2a$04$3KjXp33d16QDowK8d1fik.6Fy5MSUuph30sqX32k7PRyWtCqGVuku"

// webClient is how somebody asks.
type webClient struct {
	authority      *authority
	cert, key      []byte // none without
	user, password string
	maxVersion     uint16
}

// ask returns the answer, and the serial number of the server's certificate.
func (c webClient) ask(t *testing.T, method, url string) (status int, body string, serial int64, err error) {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(c.authority.cert)
	config := &tls.Config{RootCAs: pool, MaxVersion: c.maxVersion, MinVersion: tls.VersionTLS10}
	if c.cert != nil {
		pair, err := tls.X509KeyPair(c.cert, c.key)
		must(t, err)
		config.Certificates = []tls.Certificate{pair}
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	must(t, err)
	if c.user != "" {
		request.SetBasicAuth(c.user, c.password)
	}
	resp, err := client.Do(request)
	if err != nil {
		return 0, "", 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if resp.TLS != nil {
		serial = resp.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	return resp.StatusCode, string(b), serial, err
}

// Property: with --web.config.file nobody gets an answer on any path without the
// certificate of a client and a password, older TLS than 1.2 is refused, a new
// certificate is taken without a restart, and reloads work for who may.
func TestWebConfig(t *testing.T) {
	home, dir := t.TempDir(), rig.NewDirectory(t, rig.User{}, 0o755)
	countHere(t, dir, 5)
	a := newAuthority(t)
	certPath, keyPath := filepath.Join(home, "cert.pem"), filepath.Join(home, "key.pem")
	_, _, serial := a.sign(t, certPath, keyPath)
	must(t, os.WriteFile(filepath.Join(home, "ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}), 0o600))
	config := filepath.Join(home, "web.yml")
	must(t, os.WriteFile(config, fmt.Appendf(nil,
		"tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n  client_auth_type: RequireAndVerifyClientCert\n"+
			"  client_ca_file: ca.pem\nbasic_auth_users:\n  scraper: %s\n", hash), 0o600))
	sidecar := rig.StartSidecar(t, promfold(), rig.Seat{}, dir, "--web.config.file="+config)
	base := strings.TrimSuffix(strings.Replace(sidecar.URL(), "http:", "https:", 1), "/metrics")
	cert, key, _ := a.sign(t, "", "")
	other := newAuthority(t)
	otherCert, otherKey, _ := other.sign(t, "", "")
	good := webClient{authority: a, cert: cert, key: key, user: "scraper", password: "right"}
	check := func(what string, c webClient, method, path string, want int) {
		t.Helper()
		status, body, got, err := c.ask(t, method, base+path)
		switch {
		case want == 0 && err == nil:
			t.Errorf("%s: %s %s is answered with %d", what, method, path, status)
		case want != 0 && (err != nil || status != want):
			t.Errorf("%s: %s %s: %d, %v, not %d", what, method, path, status, err, want)
		case want == http.StatusOK && got != serial:
			t.Errorf("%s: certificate %d, not %d", what, got, serial)
		case want != http.StatusOK && strings.Contains(body, "n_total"):
			t.Errorf("%s: %s %s tells: %s", what, method, path, body)
		case want == http.StatusOK && path == "/metrics" && !strings.Contains(body, "\nn_total 5\n"):
			t.Errorf("%s: no count in %s", what, body)
		}
	}
	for _, path := range []string{"/metrics", "/-/healthy", "/-/ready", "/"} {
		check("good", good, http.MethodGet, path, http.StatusOK)
		for what, spoil := range map[string]func(*webClient){
			"no certificate":      func(c *webClient) { c.cert = nil },
			"another authority's": func(c *webClient) { c.cert, c.key = otherCert, otherKey },
			"TLS 1.1":             func(c *webClient) { c.maxVersion = tls.VersionTLS11 },
		} {
			c := good
			spoil(&c)
			check(what, c, http.MethodGet, path, 0)
		}
		for what, spoil := range map[string]func(*webClient){
			"no password":    func(c *webClient) { c.user = "" },
			"wrong password": func(c *webClient) { c.password = "wrong" },
			"unknown user":   func(c *webClient) { c.user = "other" },
		} {
			c := good
			spoil(&c)
			check(what, c, http.MethodGet, path, http.StatusUnauthorized)
		}
	}
	check("good", good, http.MethodPost, "/-/reload", http.StatusOK)
	spoilt := good
	spoilt.password = ""
	check("no password", spoilt, http.MethodPost, "/-/reload", http.StatusUnauthorized)
	tls12 := good
	tls12.maxVersion = tls.VersionTLS12
	check("TLS 1.2", tls12, http.MethodGet, "/metrics", http.StatusOK)
	if status, body, _, err := good.ask(t, http.MethodGet, sidecar.URL()); err == nil && (status == http.StatusOK || strings.Contains(body, "n_total")) {
		t.Errorf("plain HTTP is answered: %d, %s", status, body)
	}
	_, _, serial = a.sign(t, certPath, keyPath)
	check("new certificate", good, http.MethodGet, "/metrics", http.StatusOK)
	sidecar.Process().Signal(t, syscall.SIGTERM)
	if err := sidecar.Process().Ended(t, patience); err != nil {
		t.Errorf("ended with %v", err)
	}
	if log := sidecar.Process().Out.String(); strings.Contains(log, "right") || strings.Contains(log, hash) {
		t.Errorf("a secret is in the log:\n%s", log)
	}
}

// Property: a web configuration that makes no sense ends promfold with 1 before it
// serves anything, and the file is named.
func TestWebConfigIsBad(t *testing.T) {
	home, dir := t.TempDir(), rig.NewDirectory(t, rig.User{}, 0o755)
	for name, text := range map[string]string{
		"unknown-field.yml": "tls_server_confg: {}\n",
		"no-cert.yml":       "tls_server_config:\n  cert_file: nowhere.pem\n  key_file: nowhere.key\n",
		"weak-hash.yml":     "basic_auth_users:\n  scraper: plaintext\n",
		"missing.yml":       "",
	} {
		path := filepath.Join(home, name)
		if text != "" {
			must(t, os.WriteFile(path, []byte(text), 0o600))
		}
		p := rig.Start(t, "promfold", rig.Command{Args: []string{
			promfold(), "serve", "--multiproc.dir=" + dir, "--web.listen-address=127.0.0.1:0", "--web.config.file=" + path,
		}})
		var exit interface{ ExitCode() int }
		if err := p.Ended(t, patience); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(p.Out.String(), path) {
			t.Errorf("%s: ended with %v:\n%s", name, err, p.Out.String())
		}
	}
}
