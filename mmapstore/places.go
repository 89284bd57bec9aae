//go:build unix

package mmapstore

import "slices"

// Places are where the cells of a file lie that were given to AddPlace. They do not
// change, and goroutines may share them.
type Places struct {
	offsets []uint32
	each    int
	words   int
	need    int64
	holes   holeGuard
}

// AddPlace is Add for the files of others, whose cells are all of the same size and
// lie far apart: words is the same in all calls for one Cells, and these have no
// other cells.
func (c *Cells) AddPlace(from, off uint64, words int) (word int, err error) {
	word = c.words
	if err := c.admit(from, off, int64(words)*wordSize, words); err != nil {
		return 0, err
	}
	c.places, c.each = append(c.places, uint32(off)), words
	return word, nil
}

// DropPlace takes back the last AddPlace, before an Extend. What it admitted stays
// so.
func (c *Cells) DropPlace() {
	c.words -= c.each
	c.places = c.places[:len(c.places)-1]
}

// Reserve makes room for n more calls of AddPlace.
func (c *Cells) Reserve(n int) { c.places = slices.Grow(c.places, n) }

// Places are those of all cells that were added, for other files that hold the same
// cells at the same places.
func (c *Cells) Places() Places {
	holes := c.holes
	holes.set = slices.Clone(holes.set)
	return Places{slices.Clip(c.places), c.each, c.words, c.need, holes}
}

// Take gives a file all places of another at once, in the place of those that were
// added before, which are the first of them. false, if AddPlace would have refused
// any.
func (c *Cells) Take(p Places) bool {
	if p.need > c.size || p.words < c.words || p.holes.cost != c.holes.cost || p.holes.lacks(c.holes.held) {
		return false
	}
	c.places, c.each, c.words, c.need = p.offsets, p.each, p.words, p.need
	c.holes.used, c.holes.set = p.holes.used, slices.Clone(p.holes.set)
	return true
}

// Sight is a hold on the cells at the places of a file, so that they can be read a
// few at a time.
type Sight struct {
	view    *mapping
	offsets []uint32
	each    int
}

// See takes hold of the first so many words, or fewer if they are not all there. The
// caller lets go of them.
func (c *Cells) See(words int) (Sight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.intact(words); err != nil {
		return Sight{}, err
	}
	return Sight{c.view.acquire(), c.ready.places, c.ready.each}, nil
}

// LetGo ends the hold.
func (s Sight) LetGo() { s.view.release() }

// Load fills dst with the words from the one at first on, each read whole. Both ends
// are those of places. After an error dst holds anything.
func (s Sight) Load(dst []uint64, first int) error {
	offsets := s.offsets[first/s.each:][:len(dst)/s.each]
	return s.view.loadPlaces(offsets, dst, s.each)
}

// LoadAgain is Load for some words of dst alone.
func (s Sight) LoadAgain(dst []uint64, first int, which []int32) error {
	for _, i := range which {
		begin := int(i) / s.each * s.each
		at := (first + begin) / s.each
		if err := s.view.loadPlaces(s.offsets[at:at+1], dst[begin:begin+s.each], s.each); err != nil {
			return err
		}
	}
	return nil
}
