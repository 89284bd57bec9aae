//go:build redis

package redisstore_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/promfold/promfold/internal/redistest"
	"github.com/promfold/promfold/redisstore"
)

// Property: a client gets in with what is asked for and with nothing else, over
// whatever the URL says, and no error tells the password.
func TestRedisConnect(t *testing.T) {
	t.Parallel()
	password, wrong := passwordFile(t, secret+"\n"), passwordFile(t, secret+"2\n")
	closed := redistest.Start(t, redistest.Options{Port: true, Password: secret, Conf: []string{
		"user app on >" + secret + " ~promfold:* +@all",
	}})
	socket := redistest.Start(t, redistest.Options{})
	withUser := func(user string) string { return strings.Replace(closed.URL(), "://", "://"+user+"@", 1) }
	for _, c := range []struct {
		name   string
		config redisstore.Config
		says   string // of the error, if any
	}{
		{"password in the URL", redisstore.Config{URL: withUser(":" + secret)}, ""},
		{"password in a file", redisstore.Config{URL: closed.URL(), PasswordFile: password}, ""},
		{"user in the URL", redisstore.Config{URL: withUser("app:" + secret)}, ""},
		{"user and file", redisstore.Config{URL: closed.URL(), Username: "app", PasswordFile: password}, ""},
		{"URL's user and file", redisstore.Config{URL: withUser("app"), PasswordFile: password}, ""},
		{"database", redisstore.Config{URL: closed.URL() + "/3", PasswordFile: password}, ""},
		{"socket", redisstore.Config{URL: socket.URL()}, ""},
		{"no password", redisstore.Config{URL: closed.URL()}, "NOAUTH"},
		{"wrong password", redisstore.Config{URL: withUser(":" + secret + "2")}, "WRONGPASS"},
		{"wrong password in a file", redisstore.Config{URL: closed.URL(), PasswordFile: wrong}, "WRONGPASS"},
		{"wrong user", redisstore.Config{URL: closed.URL(), Username: "ppa", PasswordFile: password}, "WRONGPASS"},
		{"no such database", redisstore.Config{URL: closed.URL() + "/99", PasswordFile: password}, "DB index"},
		{"TLS to a server without", redisstore.Config{
			URL: strings.Replace(closed.URL(), "redis:", "rediss:", 1), PasswordFile: password, Timeout: 100 * time.Millisecond,
		}, "TLS handshake"},
	} {
		t.Run(c.name, func(t *testing.T) { says(t, connect(t, c.config), c.says) })
	}
}

// Property: the user that connects is the one that was named, with its rights.
func TestRedisConnectAsUser(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{Conf: []string{"user app on >" + secret + " ~promfold:* +@all"}})
	client := connect(t, redisstore.Config{URL: s.URL(), Username: "app", PasswordFile: passwordFile(t, secret)})
	says(t, client, "")
	if who := client.Do(t.Context(), "acl", "whoami").Val(); who != "app" {
		t.Errorf("connected as %v", who)
	}
	if err := client.Set(t.Context(), "other", 1, 0).Err(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("a key that is not the user's: %v", err)
	}
}

// Property: a password that is replaced on both sides needs no new client, and one
// whose file is missing for a moment is told by the file.
func TestRedisConnectPasswordRotated(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{Conf: []string{"user app on >first ~* +@all"}})
	file := passwordFile(t, "first\n")
	client := connect(t, redisstore.Config{URL: s.URL(), Username: "app", PasswordFile: file})
	says(t, client, "")
	for _, c := range []struct{ content, says string }{{"first", "WRONGPASS"}, {"", file}, {"second\r\n", ""}} {
		ctx := t.Context()
		if err := s.Client().Do(ctx, "acl", "setuser", "app", "resetpass", ">second").Err(); err != nil {
			t.Fatal(err)
		}
		if err := s.Client().Do(ctx, "client", "kill", "user", "app").Err(); err != nil {
			t.Fatal(err)
		}
		write(t, file, c.content)
		says(t, client, c.says)
	}
}

// Property: over TLS a server is believed by its authority and its name alone, and
// a client that must show a certificate shows what its file has at the time.
func TestRedisConnectTLS(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{Mutual: true, Password: secret})
	other := redistest.Start(t, redistest.Options{Mutual: true})
	good := redisstore.Config{
		URL: s.URL(), PasswordFile: passwordFile(t, secret), CAFile: s.CAFile(),
		CertFile: s.ClientCertFile(), KeyFile: s.ClientKeyFile(),
	}
	for _, c := range []struct {
		name   string
		change func(*redisstore.Config)
		says   string
	}{
		{"as it should be", func(*redisstore.Config) {}, ""},
		{"by another name of it", func(c *redisstore.Config) { c.ServerName = redistest.ServerName }, ""},
		{"by a name it has not", func(c *redisstore.Config) { c.ServerName = "other.test" }, "other.test"},
		{"another authority", func(c *redisstore.Config) { c.CAFile = other.CAFile() }, "authority"},
		{"no authority", func(c *redisstore.Config) { c.CAFile = "" }, "authority"},
		{"no certificate", func(c *redisstore.Config) { c.CertFile, c.KeyFile = "", "" }, anything},
		{"a stranger's certificate", func(c *redisstore.Config) {
			c.CertFile, c.KeyFile = other.ClientCertFile(), other.ClientKeyFile()
		}, anything},
		{"in the clear", func(c *redisstore.Config) {
			*c = redisstore.Config{URL: "redis://" + s.Addr(), PasswordFile: c.PasswordFile}
		}, anything},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := good
			c.change(&config)
			says(t, connect(t, config), c.says)
		})
	}
}

// Property: a certificate that is replaced needs no new client.
func TestRedisConnectCertificateRotated(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{Mutual: true})
	other := redistest.Start(t, redistest.Options{Mutual: true})
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "crt"), filepath.Join(dir, "key")
	use := func(from *redistest.Server) {
		write(t, cert, read(t, from.ClientCertFile()))
		write(t, key, read(t, from.ClientKeyFile()))
	}
	use(other)
	client := connect(t, redisstore.Config{URL: s.URL(), CAFile: s.CAFile(), CertFile: cert, KeyFile: key})
	says(t, client, anything)
	use(s)
	says(t, client, "")
}

// Property: one node of a cluster is enough to find all; with a password in a file.
func TestRedisConnectCluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3, redistest.Options{Password: secret})
	for _, url := range []string{c.URL(), "redis+cluster://" + c.Nodes[2].Addr()} {
		client := connect(t, redisstore.Config{URL: url, PasswordFile: passwordFile(t, secret)})
		for i := range 30 {
			if err := client.Set(t.Context(), fmt.Sprint(i), i, 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, node := range c.Nodes {
		if node.Client().DBSize(t.Context()).Val() == 0 {
			t.Errorf("no key at %s", node.URL())
		}
	}
}

// Property: sentinels say where the store is.
func TestRedisConnectSentinel(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{Port: true})
	host, port, _ := strings.Cut(s.Addr(), ":")
	watch := redistest.Start(t, redistest.Options{Port: true, Sentinel: true, Conf: []string{
		"sentinel monitor fleet " + host + " " + port + " 1",
	}})
	client := connect(t, redisstore.Config{URL: "redis+sentinel://" + watch.Addr() + "/2?master=fleet"})
	if err := client.Set(t.Context(), "a", "b", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n := s.CommandStats()["set"]; n != 1 {
		t.Errorf("%d SET at the master", n)
	}
	says(t, connect(t, redisstore.Config{URL: "redis+sentinel://" + watch.Addr() + "?master=none"}), "sentinel")
}

// Property: a server that is there and silent costs a caller its deadline, or the
// timeout if that is sooner: on a connection that it has, on one that it makes, and
// in the middle of a TLS handshake. Whatever waits longer waits for an hour.
func TestRedisConnectSilence(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		s := redistest.Start(t, redistest.Options{Port: true, TLS: secure})
		patient := redisstore.Config{URL: s.URL(), Timeout: time.Hour}
		hasty := redisstore.Config{URL: s.URL(), Timeout: 50 * time.Millisecond}
		if secure {
			patient.CAFile, hasty.CAFile = s.CAFile(), s.CAFile()
		}
		connected, idle, fast := connect(t, patient), connect(t, patient), connect(t, hasty)
		says(t, connected, "")
		s.Pause()
		for name, client := range map[string]redis.UniversalClient{"connected": connected, "connecting": idle} {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			silent(t, fmt.Sprint(name, ", TLS ", secure), client.Ping(ctx).Err())
			cancel()
		}
		silent(t, fmt.Sprint("timeout, TLS ", secure), fast.Ping(context.Background()).Err())
		s.Resume()
		says(t, connected, "")
	}
}

// Property: a client outlives its server, without being made again.
func TestRedisConnectRestarted(t *testing.T) {
	t.Parallel()
	for _, port := range []bool{false, true} {
		s := redistest.Start(t, redistest.Options{Port: port})
		client := connect(t, redisstore.Config{URL: s.URL()})
		says(t, client, "")
		s.Kill()
		says(t, client, "connect")
		s.Restart()
		says(t, client, "")
	}
}

// Property: a connection begins with who it is and nothing else: neither with
// commands that the server counts, nor with such as it does not know.
func TestRedisConnectSendsNothingNeedless(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{Password: secret})
	client := connect(t, redisstore.Config{URL: s.URL(), PasswordFile: passwordFile(t, secret)})
	says(t, client, "")
	for name, calls := range s.CommandStats() {
		if strings.HasPrefix(name, "client") {
			t.Errorf("%d calls of %s", calls, name)
		}
	}
	if errs := client.Info(t.Context(), "errorstats").Val(); strings.Contains(errs, "errorstat_ERR") {
		t.Errorf("commands that failed: %s", errs)
	}
}

func connect(t *testing.T, config redisstore.Config) redis.UniversalClient {
	t.Helper()
	config.Timeout = cmp.Or(config.Timeout, time.Minute) // a busy machine may take its time
	client, err := config.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// anything is what a server says that closes the connection at once: its reason may
// be lost with it.
const anything = "*"

// says pings: an answer if want is empty, or else an error that says so.
func says(t *testing.T, client redis.UniversalClient, want string) {
	t.Helper()
	err := client.Ping(t.Context()).Err()
	switch {
	case want == "" && err != nil:
		t.Error(err)
	case want != "" && err == nil:
		t.Errorf("an answer, want an error that says %q", want)
	case want != anything && err != nil && !strings.Contains(err.Error(), want):
		t.Errorf("%v does not say %q", err, want)
	}
	if err != nil && strings.Contains(err.Error(), secret) {
		t.Errorf("a secret: %v", err)
	}
}

func silent(t *testing.T, name string, err error) {
	t.Helper()
	var timeout interface{ Timeout() bool }
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%s: %v is no timeout", name, err)
	}
}

func passwordFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	write(t, file, content)
	return file
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
