//go:build unix

package hermes

// memo knows datagrams that were counted before by their bytes: the same counter goes
// up again and again, and its clients say so in the same words. It is for one goroutine
// and one table.
type memo struct {
	table *table
	known map[string]remembered
}

// remembered is what a datagram does, found out once.
type remembered struct {
	series *series
	change change
}

// Limits of a memo, some 2 MB. When it is full it begins anew.
const (
	maxRemembered     = 4096
	maxRememberedSize = 256
)

// of forgets everything that was about another table.
func (m *memo) of(t *table) *memo {
	if m.table != t {
		m.table, m.known = t, make(map[string]remembered)
	}
	return m
}

// find is what a datagram does, if that is known.
func (m *memo) find(datagram []byte) (remembered, bool) {
	r, ok := m.known[string(datagram)]
	return r, ok
}

// keep remembers what a datagram does. One that carries a number will hardly come
// again.
func (m *memo) keep(datagram []byte, p *packet, r remembered) {
	if p.value.given || p.observation.given || p.amount.given || len(datagram) > maxRememberedSize {
		return
	}
	if len(m.known) >= maxRemembered {
		clear(m.known)
	}
	m.known[string(datagram)] = r
}
