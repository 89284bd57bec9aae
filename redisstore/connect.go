package redisstore

import (
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// DefaultTimeout is the Timeout of a Config that has none.
const DefaultTimeout = 2 * time.Second

// poolSize bounds how many connections are kept. One publisher and a few readers
// at once use the client.
const poolSize = 4

// Config says where a store is, and as whom to ask it. URL is one of
//
//	redis://[user[:password]@]host[:port][/db]
//	redis://[user[:password]@]host[:port],host[:port]...       a cluster
//	redis+cluster://[user[:password]@]host[:port][,...]        a cluster, of which one node may do
//	redis+sentinel://[user[:password]@]host[:port][,...][/db]?master=name
//	unix://[user[:password]@]/path/of/socket[?db=db]
//
// with rediss in place of redis for TLS. What has a meaning in URLs is
// percent-encoded in the user, the password, the path and the master's name. User
// and password are those of the store; sentinels are asked without.
//
// Nothing of the URL but its form is in an error, as it may hold the password.
type Config struct {
	URL          string
	Username     string // in place of the URL's
	PasswordFile string // in place of the URL's password; one newline at its end is no part of it
	CAFile       string // certificates, in PEM, of who may sign the server's; the system's if empty
	CertFile     string // shown to the server, with KeyFile; in PEM
	KeyFile      string
	ServerName   string        // to be in the server's certificate, if not its host
	Timeout      time.Duration // of a connection's making, of a wait for a reply; 0: DefaultTimeout
}

// Connect makes a client, which connects when it is first used. The password, the
// certificate and its key are read again for each connection, so that they may be
// replaced at any time; that they are there is checked at once.
//
// The client tries everything once: who calls knows when to try again. It keeps a
// context's deadline; that a context is canceled without one ends no wait for a
// reply before Timeout does.
func (c Config) Connect() (redis.UniversalClient, error) {
	at, err := parseURL(c.URL)
	if err != nil {
		return nil, fmt.Errorf("redis URL: %w", err)
	}
	who, err := c.credentials(at)
	if err != nil {
		return nil, err
	}
	tls, err := c.tls(at)
	if err != nil {
		return nil, err
	}
	timeout := c.Timeout
	switch {
	case timeout < 0:
		return nil, fmt.Errorf("redis timeout: %v is negative", timeout)
	case timeout == 0:
		timeout = DefaultTimeout
	}
	return redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs:         at.addrs,
		DB:            at.db,
		IsClusterMode: at.topology == clustered,
		MasterName:    at.master,

		CredentialsProviderContext: who.now,

		Dialer:                dialer(timeout, tls),
		DialTimeout:           timeout,
		ReadTimeout:           timeout,
		WriteTimeout:          timeout,
		PoolTimeout:           timeout,
		ContextTimeoutEnabled: true,

		MaxRetries:    -1,
		DialerRetries: 1,
		PoolSize:      poolSize,
		// Pipelines share the connections: there are few, with much in each.
		PipelinePoolSize: -1,

		// Whatever else it would send at a connection's start.
		Protocol:                 2,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}), nil
}
