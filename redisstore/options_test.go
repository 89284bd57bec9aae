//go:build unix

package redisstore_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/redisstore"
)

// Property: durations below 0, names that no key can have, and what is missing are refused when a
// publisher or a reader is made, and nothing is begun; everything else has a default.
func TestOptions(t *testing.T) {
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: "/nowhere", MaxRetries: -1})
	defer client.Close()
	d := directory.New(t.TempDir(), directory.Options{})
	defer d.Close()
	for name, o := range map[string]redisstore.PublisherOptions{
		"interval":     {Client: client, Directory: d, Interval: -time.Second},
		"retention":    {Client: client, Directory: d, Retention: -1},
		"no client":    {Directory: d},
		"no directory": {Client: client},
		"namespace":    {Client: client, Directory: d, Namespace: "a}b"},
	} {
		if p, err := redisstore.NewPublisher(o); err == nil || p != nil {
			t.Errorf("publisher, %s: no error", name)
		}
	}
	for name, o := range map[string]redisstore.ReaderOptions{
		"interval":  {Client: client, Interval: -time.Second},
		"retention": {Client: client, Retention: -1},
		"host TTL":  {Client: client, HostTTL: -1},
		"no client": {},
		"namespace": {Client: client, Namespace: "a\nb"},
	} {
		if r, err := redisstore.NewReader(o); err == nil || r != nil {
			t.Errorf("reader, %s: no error", name)
		}
	}
	if _, err := redisstore.NewReader(redisstore.ReaderOptions{Client: client}); err != nil {
		t.Errorf("reader: %v", err)
	}
}
