package foreign

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Hash is what a hash in Redis held.
type Hash struct {
	Key    string
	Fields map[string]string
}

// Sizes of what is asked of Redis at once.
const (
	// wholeHash is the largest hash that is read by one command, and so at one moment.
	// A larger one would hold up everybody else.
	wholeHash = 5000
	batchKeys = 500   // whose sizes are asked for in one round trip
	scanCount = 1000  // elements that a SCAN looks at
	maxBatch  = 20000 // fields that are read in one round trip
)

// ReadHashes reads hashes and yields them one after the other. Keys that are gone, or
// are no hash any more, are passed over. Of a large hash that is read in steps wanted
// is asked, after the first of them, whether to go on; nil means always.
func ReadHashes(ctx context.Context, client redis.UniversalClient, keys []string, wanted func(Hash) bool, yield func(Hash)) error {
	for len(keys) > 0 {
		batch := keys[:min(batchKeys, len(keys))]
		keys = keys[len(batch):]
		sizes, err := sizesOf(ctx, client, batch)
		if err != nil {
			return err
		}
		if err := readBatch(ctx, client, batch, sizes, wanted, yield); err != nil {
			return err
		}
	}
	return nil
}

// sizesOf asks how many fields the hashes have, 0 for what is none.
func sizesOf(ctx context.Context, client redis.UniversalClient, keys []string) ([]int64, error) {
	pipe := client.Pipeline()
	asked := make([]*redis.IntCmd, len(keys))
	for i, key := range keys {
		asked[i] = pipe.HLen(ctx, key)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	sizes := make([]int64, len(keys))
	for i, a := range asked {
		if err := unlessNoHash(a.Err()); err != nil {
			return nil, err
		}
		sizes[i] = a.Val()
	}
	return sizes, nil
}

func readBatch(ctx context.Context, client redis.UniversalClient, keys []string, sizes []int64, wanted func(Hash) bool, yield func(Hash)) error {
	var small []string
	fields := int64(0)
	flush := func() error {
		err := readWhole(ctx, client, small, yield)
		small, fields = small[:0], 0
		return err
	}
	for i, key := range keys {
		switch {
		case sizes[i] == 0:
		case sizes[i] > wholeHash:
			if err := readSteps(ctx, client, key, sizes[i], wanted, yield); err != nil {
				return err
			}
		default:
			small, fields = append(small, key), fields+sizes[i]
		}
		if fields >= maxBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// readWhole reads hashes by one command each.
func readWhole(ctx context.Context, client redis.UniversalClient, keys []string, yield func(Hash)) error {
	if len(keys) == 0 {
		return nil
	}
	pipe := client.Pipeline()
	asked := make([]*redis.MapStringStringCmd, len(keys))
	for i, key := range keys {
		asked[i] = pipe.HGetAll(ctx, key)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	for i, a := range asked {
		if err := unlessNoHash(a.Err()); err != nil {
			return err
		}
		if len(a.Val()) > 0 {
			yield(Hash{keys[i], a.Val()})
		}
	}
	return nil
}

// readSteps reads a large hash step by step. A field may come twice, and is then of the
// later moment.
func readSteps(ctx context.Context, client redis.UniversalClient, key string, size int64, wanted func(Hash) bool, yield func(Hash)) error {
	h := Hash{key, make(map[string]string, size)}
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		pairs, next, err := client.HScan(ctx, key, cursor, "", scanCount).Result()
		if err != nil {
			return unlessNoHash(err)
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			h.Fields[pairs[i]] = pairs[i+1]
		}
		if first && wanted != nil && !wanted(h) {
			return nil
		}
		cursor = next
	}
	if len(h.Fields) > 0 {
		yield(h)
	}
	return nil
}

// unlessNoHash is the error, nil if it says that the key holds something else.
func unlessNoHash(err error) error {
	if err != nil && redis.HasErrorPrefix(err, "WRONGTYPE") {
		return nil
	}
	return err
}

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
