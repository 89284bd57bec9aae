//go:build unix && !linux

package sys

// Exchange renames: there is no call that would keep what had the other name.
func (d *Dir) Exchange(name, other string) error { return d.Rename(name, d, other) }
