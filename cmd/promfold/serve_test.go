//go:build unix

package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A directory need not exist at first, nor stay; the sidecar is ready
// meanwhile, and ends with code 0.
func TestServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	d := serve(t, []string{"prometheus_multiproc_dir=" + dir})
	for _, path := range []string{"/-/healthy", "/-/ready"} {
		if status, body := d.get(path); status != http.StatusOK || body != "OK\n" {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body := d.get("/"); status != http.StatusOK || !strings.Contains(body, `href="/metrics"`) {
		t.Errorf("landing page: %d %s", status, body)
	}
	if status, _ := d.get("/nowhere"); status != http.StatusNotFound {
		t.Errorf("a page that is not there: %d", status)
	}
	d.wants("promfold_directories_missing 1")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	closeIt := count(t, dir, 3)
	d.wants("jobs_total 3", `promfold_processes{state="live"} 1`, "busy 3")
	if err := os.RemoveAll(dir); err != nil { // as entrypoints do
		t.Fatal(err)
	}
	d.wants("jobs_total 3", "promfold_directories_missing 1")
	closeIt()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	count(t, dir, 4)
	d.wants("jobs_total 7", "busy 4", "promfold_directories_missing 0")
	d.signal()
	d.ends()
}

// What the dead counted is archived and stays; the sum never changes.
func TestServeArchives(t *testing.T) {
	dir := t.TempDir()
	d := serve(t, nil, "--multiproc.dir="+dir, "--archive.interval=50ms", "--web.disable-exporter-metrics")
	count(t, dir, 3)
	closeIt := count(t, dir, 4)
	d.wants("jobs_total 7", "busy 7")
	closeIt()
	d.wants("jobs_total 7", "busy 3")
	d.eventually("promfold_archive_absorbed_files_total 1")
	d.wants("jobs_total 7", "busy 3", "promfold_archive_active 1")
	if body := d.metrics(); !strings.Contains(body, "\npromfold_archive_generation ") {
		t.Error("no generation of the archive")
	} else if strings.Contains(body, "go_goroutines") || strings.Contains(body, "promhttp_") {
		t.Error("metrics of the process, which are switched off")
	}
	d.signal()
	d.ends()
}

// Globs take in directories that come later; a label tells directories apart.
func TestServeGlob(t *testing.T) {
	root := t.TempDir()
	a, b := filepath.Join(root, "app-a"), filepath.Join(root, "app-b")
	d := serve(t, nil, "--multiproc.dir="+filepath.Join(root, "app-*"), "--multiproc.dir-label=app", "--no-archive")
	for i, dir := range []string{a, b} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		count(t, dir, float64(i+1))
	}
	d.wants(`jobs_total{app="`+a+`"} 1`, `jobs_total{app="`+b+`"} 2`, `promfold_processes{app="`+b+`",state="live"} 1`,
		`promfold_archive_active{app="`+a+`"} 0`)
	d.signal()
	d.ends()
}

var stopping = regexp.MustCompile("msg=Stopping")

// After SIGTERM the sidecar lingers until the last counts were scraped, or the
// time is up; health probes do not count.
func TestLinger(t *testing.T) {
	dir := t.TempDir()
	d := serve(t, nil, "--multiproc.dir="+dir, "--web.linger=1h")
	count(t, dir, 5)
	d.signal()
	d.awaitLog(stopping)
	if status, _ := d.get("/-/healthy"); status != http.StatusOK {
		t.Errorf("status %d while lingering", status)
	}
	d.wants("jobs_total 5")
	d.ends()

	d = serve(t, nil, "--multiproc.dir="+dir, "--web.linger=1ms")
	d.signal()
	d.ends()

	d = serve(t, nil, "--multiproc.dir="+dir, "--web.linger=1h")
	d.signal()
	d.awaitLog(stopping)
	d.signal() // impatient
	d.ends()
}

// TLS and basic authentication come from the file of exporter-toolkit.
func TestWebConfig(t *testing.T) {
	dir := t.TempDir()
	pool := writeCertificate(t, dir)
	config := filepath.Join(dir, "web.yml")
	// The password is "secret".
	err := os.WriteFile(config, []byte(`
tls_server_config:
  cert_file: cert.pem
  key_file: key.pem
basic_auth_users:
  alice: $2a$04$D7eo6A8x6TNOrz4mW5iXXOt./xdPmLeZ0HN1zMmNHkUBfgUeCs7UO
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	count(t, dir, 1)
	d := serve(t, nil, "--multiproc.dir="+dir, "--web.config.file="+config)
	d.scheme = "https"
	d.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	if status, _ := d.get("/metrics"); status != http.StatusUnauthorized {
		t.Errorf("status %d without a password", status)
	}
	d.address = "alice:secret@" + d.address
	d.wants("jobs_total 1")
	d.signal()
	d.ends()
}

func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, b := range map[string][]byte{
		"cert.pem": cert, "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool
}
