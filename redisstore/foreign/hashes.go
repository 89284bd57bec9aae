package foreign

import (
	"context"

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

// Hashes reads hashes from Redis.
type Hashes struct {
	Client redis.UniversalClient
	// Take gets each hash.
	Take func(Hash)
	// Wanted is asked of a large hash, after the first step of many, whether it is to be
	// read. Default: it is.
	Wanted func(Hash) bool
	// NoHash hears of keys that are something else. Default: nobody does.
	NoHash func(key string)
}

// Read reads the hashes one after the other. Keys that are gone are passed over.
func (h *Hashes) Read(ctx context.Context, keys []string) error {
	for len(keys) > 0 {
		batch := keys[:min(batchKeys, len(keys))]
		keys = keys[len(batch):]
		sizes, err := h.sizes(ctx, batch)
		if err != nil {
			return err
		}
		if err := h.readBatch(ctx, batch, sizes); err != nil {
			return err
		}
	}
	return nil
}

// sizes asks how many fields the hashes have, 0 for what is none.
func (h *Hashes) sizes(ctx context.Context, keys []string) ([]int64, error) {
	pipe := h.Client.Pipeline()
	asked := make([]*redis.IntCmd, len(keys))
	for i, key := range keys {
		asked[i] = pipe.HLen(ctx, key)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	sizes := make([]int64, len(keys))
	for i, a := range asked {
		if err := h.unlessNoHash(keys[i], a.Err()); err != nil {
			return nil, err
		}
		sizes[i] = a.Val()
	}
	return sizes, nil
}

func (h *Hashes) readBatch(ctx context.Context, keys []string, sizes []int64) error {
	var small []string
	fields := int64(0)
	for i, key := range keys {
		switch {
		case sizes[i] == 0:
		case sizes[i] > wholeHash:
			if err := h.readSteps(ctx, key, sizes[i]); err != nil {
				return err
			}
		default:
			small, fields = append(small, key), fields+sizes[i]
		}
		if fields >= maxBatch {
			if err := h.readWhole(ctx, small); err != nil {
				return err
			}
			small, fields = small[:0], 0
		}
	}
	return h.readWhole(ctx, small)
}

// readWhole reads hashes by one command each.
func (h *Hashes) readWhole(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	pipe := h.Client.Pipeline()
	asked := make([]*redis.MapStringStringCmd, len(keys))
	for i, key := range keys {
		asked[i] = pipe.HGetAll(ctx, key)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	for i, a := range asked {
		if err := h.unlessNoHash(keys[i], a.Err()); err != nil {
			return err
		}
		if len(a.Val()) > 0 {
			h.Take(Hash{keys[i], a.Val()})
		}
	}
	return nil
}

// readSteps reads a large hash step by step. A field may come twice, and is then of the
// later moment.
func (h *Hashes) readSteps(ctx context.Context, key string, size int64) error {
	found := Hash{key, make(map[string]string, size)}
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		pairs, next, err := h.Client.HScan(ctx, key, cursor, "", scanCount).Result()
		if err != nil {
			return h.unlessNoHash(key, err)
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			found.Fields[pairs[i]] = pairs[i+1]
		}
		if first && h.Wanted != nil && !h.Wanted(found) {
			return nil
		}
		cursor = next
	}
	if len(found.Fields) > 0 {
		h.Take(found)
	}
	return nil
}

// unlessNoHash is the error, nil if it says that the key holds something else.
func (h *Hashes) unlessNoHash(key string, err error) error {
	if err == nil || !redis.HasErrorPrefix(err, "WRONGTYPE") {
		return err
	}
	if h.NoHash != nil {
		h.NoHash(key)
	}
	return nil
}
