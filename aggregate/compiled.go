package aggregate

import (
	"slices"

	"github.com/promfold/promfold/mmapstore"
)

// compiled is a source as a merger knows it: where each of its series goes, and
// the values of the last Load that worked.
type compiled struct {
	meta     Meta
	witness  *Witness
	schema   mmapstore.Schema
	history  *History
	families []*variant // by index of the source's family; nil: left out
	groups   []*group   // the same
	program  *program
	stamp    uint64   // the merge in which the source last took part
	words    []uint64 // last good values, unless the source keeps them
	read     int      // how many words these are, in either case
	lives    []lifeOf // by index of the series, of those that were ever deleted
	loaded   bool     // there were values
	// unreadable is why the source goes on with its old layout, in this merge;
	// failed is why it could not be read.
	unreadable, failed error
}

// sourceKey tells sources apart. Ids of files and of archives are no matter of
// each other: a file could claim the id of an archive, and take its place.
type sourceKey struct {
	id      mmapstore.ID
	archive bool
}

func keyOf(m *Meta, history *History) sourceKey { return sourceKey{m.ID, history != nil} }

func (c *compiled) key() sourceKey { return keyOf(&c.meta, c.history) }

// lifeOf is the present life of a series that was deleted before.
type lifeOf struct {
	generation uint64
	created    int64
	deleted    int64
}

func (l *lifeOf) isDeleted() bool { return l.generation%2 == 1 }

// take brings the schema up to date. It reports whether the source laid out its
// series anew, so that nothing which was known of them holds.
func (c *compiled) take(schema mmapstore.Schema) (anew bool) {
	if anew = !continues(&c.schema, &schema); anew {
		c.families, c.groups, c.program, c.words, c.lives, c.read, c.loaded = nil, nil, nil, nil, nil, 0, false
	}
	c.schema = schema
	return anew
}

// takeHistory brings the history up to date. It reports whether families have other births
// than before, which a record may have whose schema is the same.
func (c *compiled) takeHistory(history *History) (other bool) {
	if c.history != nil && c.history != history {
		n := min(len(c.history.Families), len(history.Families))
		other = !slices.Equal(c.history.Families[:n], history.Families[:n])
	}
	c.history = history
	return other
}

// resolve finds the families of the source that are new since the last merge.
// It reports whether there were any.
func (m *Merger) resolve(c *compiled) bool {
	known := len(c.families)
	for i := known; i < len(c.schema.Families); i++ {
		f := &c.schema.Families[i]
		if !f.Type.Valid() { // a damaged record keeps its number
			c.families, c.groups = append(c.families, nil), append(c.groups, nil)
			continue
		}
		g := m.group(f.Name)
		v := g.find(f)
		if m.adds(c) {
			v.describe(f, c.born(i))
		}
		v.spelling.vote(f) // also where m folds others: their bounds are in the archive's union
		c.families, c.groups = append(c.families, v), append(c.groups, g)
	}
	return known < len(c.schema.Families)
}

// born is the birth that counts for the source's i-th family.
func (c *compiled) born(i int) int64 {
	if c.history != nil && i < len(c.history.Families) {
		return c.history.Families[i]
	}
	return c.meta.Created
}

// readLives gathers from the values which series are deleted or in a later life, and
// reports whether anything of that is news.
func (c *compiled) readLives(words []uint64) (news bool) {
	if len(c.schema.Tombstones) == 0 {
		return false
	}
	if len(c.lives) < len(c.schema.Series) {
		c.lives = append(c.lives, make([]lifeOf, len(c.schema.Series)-len(c.lives))...)
	}
	for _, t := range c.schema.Tombstones {
		if t.Word+3 > len(words) {
			continue
		}
		life := lifeOf{
			generation: words[t.Word],
			created:    int64(words[t.Word+1]),
			deleted:    int64(words[t.Word+2]),
		}
		if c.lives[t.Series] != life {
			c.lives[t.Series], news = life, true
		}
	}
	return news
}

func (c *compiled) lifeOf(i int) lifeOf {
	if i < len(c.lives) {
		return c.lives[i]
	}
	return lifeOf{}
}
