package redisstore

import (
	_ "embed"

	"github.com/redis/go-redis/v9"
)

// What must happen as a whole is done by scripts, which Redis runs one at a time, and
// either in full or, where memory is short or a key has another type, not at all: each
// looks before it writes. The rights to all of their commands are needed (docs/fleet.md).
var (
	//go:embed index.lua
	indexLua string
	//go:embed publish.lua
	publishLua string
	//go:embed fold.lua
	foldLua string
	//go:embed restore.lua
	restoreLua string
)

// scripts are the programs with their digests.
type scripts struct{ index, publish, fold, restore *redis.Script }

func newScripts() scripts {
	return scripts{redis.NewScript(indexLua), redis.NewScript(publishLua), redis.NewScript(foldLua), redis.NewScript(restoreLua)}
}
