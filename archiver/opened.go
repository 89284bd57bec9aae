//go:build unix

package archiver

import "github.com/promfold/promfold/internal/sys"

// openDir opens the main directory or one of ours, for calls that must all go to the
// same, and not through a link that somebody has put in its place.
func (a *Archiver) openDir(path string) (*sys.Dir, error) {
	f, err := a.d.OpenDir(path + "/.")
	if err != nil {
		return nil, err
	}
	return sys.NewDir(f), nil
}
