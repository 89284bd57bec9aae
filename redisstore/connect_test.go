package redisstore_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/promfold/promfold/redisstore"
)

// Property: a URL leads to the client, the addresses and the database that it says.
func TestConnectURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ url, want string }{
		{"redis://h", "one h:6379 db 0"},
		{"redis://h:1/7", "one h:1 db 7"},
		{"redis://[::1]/", "one [::1]:6379 db 0"},
		{"redis://u:p@[fe80::1]:2", "one [fe80::1]:2 db 0"},
		{"redis://:p@ss/w:o?rd@h:1/2", "one h:1 db 2"},
		{"rediss://h:1", "one h:1 db 0"},
		{"redis://a:1,b,[::1]:3", "cluster [a:1 b:6379 [::1]:3]"},
		{"redis+cluster://u:p@a:1", "cluster [a:1]"},
		{"redis+cluster://a:1/0", "cluster [a:1]"},
		{"rediss+cluster://a:1,b:2", "cluster [a:1 b:2]"},
		{"redis+sentinel://a,b:1/3?master=m", "one FailoverClient db 3"},
		{"unix:///a/b%20c.sock", "one /a/b c.sock db 0"},
		{"unix://u:p@/a?db=4", "one /a db 4"},
	} {
		client, err := redisstore.Config{URL: c.url}.Connect()
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		if got := describe(client); got != c.want {
			t.Errorf("%s: %s, want %s", c.url, got, c.want)
		}
		_ = client.Close()
	}
}

func describe(client redis.UniversalClient) string {
	switch client := client.(type) {
	case *redis.Client:
		return fmt.Sprintf("one %s db %d", client.Options().Addr, client.Options().DB)
	case *redis.ClusterClient:
		return fmt.Sprintf("cluster %s", client.Options().Addrs)
	default:
		return fmt.Sprintf("%T", client)
	}
}

// secret stands where a password is, or where one comes to lie by mistake.
const secret = "s3cret"

// Property: what is wrong is told by the part or the file that it is in, and no
// password is, however the URL is mangled.
func TestConnectRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		config redisstore.Config
		says   string
	}{
		{"empty", redisstore.Config{}, "scheme"},
		{"no scheme", redisstore.Config{URL: "u:s3cret@h:1"}, "scheme"},
		{"http", redisstore.Config{URL: "http://u:s3cret@h:1"}, "scheme"},
		{"TLS on a socket", redisstore.Config{URL: "unixs://u:s3cret@/a"}, "scheme"},
		{"no host", redisstore.Config{URL: "redis://u:s3cret@"}, "host"},
		{"only a password", redisstore.Config{URL: "redis://:s3cret"}, "host"},
		{"no host among hosts", redisstore.Config{URL: "redis://u:s3cret@a,,b"}, "host"},
		{"the colon of a password", redisstore.Config{URL: "redis://u:s3cret@h:s3cret/0"}, "host"},
		{"space", redisstore.Config{URL: "redis://u:s3cret@h st"}, "host"},
		{"port 0", redisstore.Config{URL: "redis://u:s3cret@h:0"}, "port"},
		{"port 65536", redisstore.Config{URL: "redis://u:s3cret@h:65536"}, "port"},
		{"percent", redisstore.Config{URL: "redis://u:s3cret%zz@h"}, "password"},
		{"percent of the user", redisstore.Config{URL: "redis://u%:s3cret@h"}, "user"},
		{"db", redisstore.Config{URL: "redis://u:s3cret@h/s3cret"}, "db"},
		{"db below 0", redisstore.Config{URL: "redis://u:s3cret@h/-1"}, "db"},
		{"db of a cluster", redisstore.Config{URL: "redis://u:s3cret@a,b/1"}, "db"},
		{"query", redisstore.Config{URL: "redis://u:s3cret@h?password=s3cret"}, "query"},
		{"query of a cluster", redisstore.Config{URL: "redis://u:s3cret@a,b?master=s3cret"}, "query"},
		{"half a query", redisstore.Config{URL: "redis://u:s3cret@h?db=%zz"}, "query"},
		{"no master", redisstore.Config{URL: "redis+sentinel://u:s3cret@h"}, "master"},
		{"two masters", redisstore.Config{URL: "redis+sentinel://u:s3cret@h?master=a&master=b"}, "query"},
		{"socket by a relative path", redisstore.Config{URL: "unix://u:s3cret@a"}, "socket"},
		{"socket's percent", redisstore.Config{URL: "unix://u:s3cret@/%zz"}, "socket"},
		{"socket's db", redisstore.Config{URL: "unix://u:s3cret@/a?db=x"}, "db"},
		{"socket's query", redisstore.Config{URL: "unix://u:s3cret@/a?bd=1"}, "query"},
		{"negative timeout", redisstore.Config{URL: "redis://u:s3cret@h", Timeout: -time.Second}, "timeout"},
	} {
		t.Run(c.name, func(t *testing.T) { refused(t, c.config, c.says) })
	}
}

// Property: the same of users, passwords and the files that hold secrets.
func TestConnectRefusesFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	password, text := file("password", secret), file("text.pem", secret)
	empty, newline, gone := file("empty", ""), file("newline", "\n"), filepath.Join(dir, "gone")
	for _, c := range []struct {
		name   string
		config redisstore.Config
		says   string
	}{
		{"two users", redisstore.Config{URL: "redis://u:s3cret@h", Username: "v"}, "username"},
		{"two passwords", redisstore.Config{URL: "redis://u:s3cret@h", PasswordFile: password}, "password file"},
		{"user without password", redisstore.Config{URL: "redis://h", Username: "u"}, "username"},
		{"URL's user without password", redisstore.Config{URL: "redis://u@h"}, "username"},
		{"no password file", redisstore.Config{URL: "redis://h", PasswordFile: gone}, gone},
		{"empty password file", redisstore.Config{URL: "redis://h", PasswordFile: empty}, empty},
		{"empty line as password", redisstore.Config{URL: "redis://h", PasswordFile: newline}, newline},
		{"CA without TLS", redisstore.Config{URL: "redis://u:s3cret@h", CAFile: text}, "rediss"},
		{"server name without TLS", redisstore.Config{URL: "redis://u:s3cret@h", ServerName: "n"}, "rediss"},
		{"no CA file", redisstore.Config{URL: "rediss://u:s3cret@h", CAFile: gone}, gone},
		{"no CA in its file", redisstore.Config{URL: "rediss://u:s3cret@h", CAFile: text}, text},
		{"certificate alone", redisstore.Config{URL: "rediss://u:s3cret@h", CertFile: text}, "key"},
		{"key alone", redisstore.Config{URL: "rediss://u:s3cret@h", KeyFile: text}, "certificate"},
		{"no certificate file", redisstore.Config{URL: "rediss://h", CertFile: gone, KeyFile: text}, gone},
		{"no key in its file", redisstore.Config{URL: "rediss://h", CertFile: text, KeyFile: text}, text},
	} {
		t.Run(c.name, func(t *testing.T) { refused(t, c.config, c.says) })
	}
}

func refused(t *testing.T, config redisstore.Config, says string) {
	t.Helper()
	client, err := config.Connect()
	if err == nil {
		_ = client.Close()
		t.Fatal("accepted")
	}
	if !strings.Contains(err.Error(), says) {
		t.Errorf("%q does not say %q", err, says)
	}
	for _, said := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%+v", config)} {
		if strings.Contains(said, secret) {
			t.Errorf("a secret: %s", said)
		}
	}
}

// Property: a Config is printed as where it leads to, without user, password or query.
func TestConfigPrinted(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"redis://u:s3cret@a:1/2":                     "redis://a:1",
		"rediss+sentinel://u:s3@cret@a,b/2?master=m": "rediss+sentinel://a:26379,b:26379",
		"unix://:s3cret@/run/s":                      "unix:///run/s",
		"redis://s3cret%zz@h":                        "a malformed redis URL",
	} {
		for _, format := range []string{"%v", "%+v", "%s"} {
			if got := fmt.Sprintf(format, redisstore.Config{URL: url}); got != want {
				t.Errorf("%s of %s: %s, want %s", format, url, got, want)
			}
		}
	}
}

// Property: a call is one attempt, be it that the server hangs up when it is asked,
// or before.
func TestConnectTriesOnce(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"redis://", "rediss://"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		tries := make(chan int)
		go func() { tries <- hangUp(l) }()
		client, err := redisstore.Config{URL: scheme + l.Addr().String()}.Connect()
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Ping(t.Context()).Err(); err == nil {
			t.Error("an answer")
		}
		_, _ = client.Close(), l.Close()
		if n := <-tries; n != 1 {
			t.Errorf("%s: %d tries", scheme, n)
		}
	}
}

// hangUp reads a little of each connection, closes it, and counts them until l is closed.
func hangUp(l net.Listener) (connections int) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return connections
		}
		connections++
		_, _ = conn.Read(make([]byte, 1))
		_ = conn.Close()
	}
}
