package aggregate

// InLanes makes m read its sources side by side, however few values they have.
func (m *Merger) InLanes() *Merger {
	m.worthLane = 1
	return m
}
