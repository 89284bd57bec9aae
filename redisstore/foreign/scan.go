package foreign

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ScanHashes lists the hashes whose keys match the pattern, on all nodes of a cluster.
func ScanHashes(ctx context.Context, client redis.UniversalClient, pattern string) ([]string, error) {
	found := newKeySet()
	if cluster, ok := client.(*redis.ClusterClient); ok {
		err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			return scanNode(ctx, node, pattern, found)
		})
		return found.sorted(), err
	}
	err := scanNode(ctx, client, pattern, found)
	return found.sorted(), err
}

// scanNode scans one node. A server before 6.0 does not know TYPE: there every key that
// matches is found.
func scanNode(ctx context.Context, node redis.Cmdable, pattern string, found *keySet) error {
	typed := true
	for cursor, first := uint64(0), true; first || cursor != 0; {
		var keys []string
		var next uint64
		var err error
		if typed {
			keys, next, err = node.ScanType(ctx, cursor, pattern, scanCount, "hash").Result()
		} else {
			keys, next, err = node.Scan(ctx, cursor, pattern, scanCount).Result()
		}
		if first && typed && err != nil && redis.HasErrorPrefix(err, "ERR syntax error") {
			typed = false
			continue
		}
		if err != nil {
			return err
		}
		found.add(keys)
		cursor, first = next, false
	}
	return nil
}

// Escape makes a pattern that matches just the text.
func Escape(text string) string { return escaper.Replace(text) }

var escaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)
