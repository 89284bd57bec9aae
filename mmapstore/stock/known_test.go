package stock

import "testing"

// Property: what is known is bounded, in number of files of a kind and length and in
// memory. Who has users is known for longer, and those of whom the registry forgets
// go on.
func TestSiblingsAreForgotten(t *testing.T) {
	s := NewSiblings()
	count := func() (n, weight int) {
		for _, alike := range s.known {
			for _, one := range alike {
				n, weight = n+1, weight+one.weight()
			}
		}
		return n, weight
	}
	used := &sibling{kin: kin{end: -1}, born: s.version(nil), index: new(index), raw: make([]byte, 1)}
	s.add(used)
	for i := range int64(3000) {
		one := &sibling{kin: kin{end: i / 10}, born: s.version(nil), index: new(index), raw: make([]byte, 1+i*7)}
		s.add(one)
		s.letGo(one)
		if n, weight := count(); weight != s.weight || weight > maxWeight || n > 4*(int(i)/10+1)+1 {
			t.Fatalf("%d siblings of weight %d, said to be %d", n, weight, s.weight)
		}
	}
	if n, _ := count(); n < 100 || len(s.hold(kin{end: -1})) != 1 {
		t.Errorf("%d siblings, among them the one in use: %v", n, used.raw != nil)
	}
	grown := &sibling{kin: kin{end: -2}, born: s.version(nil), index: new(index), raw: make([]byte, 1)}
	s.add(grown)
	if s.outgrow(grown); len(s.hold(kin{end: -2})) != 0 {
		t.Error("one whose only file went on is still known")
	}
}
