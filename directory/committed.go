//go:build unix

package directory

import "github.com/promfold/promfold/aggregate"

// Committed tells that an archiver of this process has put the archive in force, so
// that it is known although somebody may damage it before it is read. It waits for
// scans, which may wait for commits: no lock is to be held.
func (d *Directory) Committed(a *aggregate.Archive) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.archive, d.stamp = a, stamp{a.Generation, a.ID}
}
