//go:build unix

package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strings"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/mmapstore/pydb"
	"github.com/promfold/promfold/mmapstore/rubydb"
	"github.com/promfold/promfold/mmapstore/stock"
)

// stockFile is the file of a stock client. Such files have no id: while a file
// has its own name, a process of the same pid may take it up, so the id is ours
// alone; the archiver gives it one, with a name by which nobody takes it up.
type stockFile struct {
	*stock.Reader
	base   string // the name that the client gave it
	aside  bool   // it has the archiver's name
	made   int64
	in     aggregate.Inode
	number mmapstore.ID
	whose  mmapstore.ID // the process, as far as names tell
	path   string       // under which it was found last
	head   stock.Head   // as of the last look
	// sameNamespace: pids in names are of our pid namespace.
	sameNamespace bool
}

// isStockName reports whether a stock client gives such names to files that we
// can read.
func isStockName(base string) bool { return pydb.IsFileName(base) || rubydb.IsFileName(base) }

// openStock opens the file of a stock client at path, whether under its own name
// or the archiver's.
func (d *Directory) openStock(path string) (*stockFile, error) {
	f := &stockFile{path: path, base: filepath.Base(path), sameNamespace: d.o.SamePIDNamespace}
	f.number, f.base, f.aside = cutAsideName(f.base)
	open := pydb.Open
	if rubydb.IsFileName(f.base) {
		open = rubydb.Open
	}
	r, err := open(path, f.base, stock.Options{Overrides: d.overrides.Load().of, Open: d.openRegular, Siblings: d.siblings})
	if err != nil {
		return nil, err
	}
	info, err := r.File().Stat()
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	f.Reader, f.in, f.made = r, inodeOf(info), birthTime(r.File(), info)
	if !f.aside {
		f.number = mmapstore.NewID()
	}
	return f, nil
}

func (f *stockFile) id() mmapstore.ID       { return f.number }
func (f *stockFile) identity() string       { return f.Identity() }
func (f *stockFile) born() int64            { return f.made }
func (f *stockFile) inode() aggregate.Inode { return f.in }
func (f *stockFile) refresh() error         { return f.Refresh() }
func (f *stockFile) dropped() uint64        { return 0 }

// kind is what the names of files have in common that are likely to be alike.
func (f *stockFile) kind() string {
	return strings.TrimRight(strings.TrimSuffix(f.base, filepath.Ext(f.base)), "0123456789")
}

// look reads the head of the file, unless it was known to have entries already.
func (f *stockFile) look() (stock.Head, error) {
	if f.head.Sound && !f.head.Empty {
		return f.head, nil
	}
	var err error
	f.head, err = f.Look()
	return f.head, err
}

// probe asks the lease, and the pid in the name. Nobody opens a file that was set
// aside by its pid, so there the pid is evidence only where no lease can be had.
// The first key of a file tells which part of its name is the pid.
func (f *stockFile) probe() mmapstore.Verdict {
	if f.aside {
		if v := mmapstore.Probe(mmapstore.Suspect{File: f.File()}); v.State != mmapstore.CannotTell {
			return v
		}
	}
	_, _ = f.look() // what is wrong, a Refresh says
	return f.Probe(f.sameNamespace)
}

// renamed is the same open file under the name by which an archiver set it aside.
func (f *stockFile) renamed(path string) *stockFile {
	n := *f
	n.path, n.whose = path, mmapstore.ID{}
	n.number, _, n.aside = cutAsideName(filepath.Base(path))
	return &n
}

// outlives reports whether anything in the file outlives its process: families of
// other than the live modes, or what we cannot read.
func (f *stockFile) outlives() bool {
	families := f.Schema().Families
	if len(families) == 0 {
		return !f.Empty()
	}
	return slices.ContainsFunc(families, func(family mmapstore.Family) bool { return !family.Mode.Live() })
}

// owner is by directory and identity: a process has a file for each type. Files
// that the archiver has set aside, and that live after all, lie in a directory of
// their own: a younger process may have the name by now.
func (f *stockFile) owner() mmapstore.ID {
	if f.whose == (mmapstore.ID{}) && f.Identity() != "" && f.ParsedBytes() > 0 {
		sum := sha256.Sum256([]byte(filepath.Dir(f.path) + "\x00" + f.Identity()))
		copy(f.whose[:], sum[:])
	}
	return f.whose
}

// liveMatters reports whether it makes a difference to a merge if the writer
// lives.
func (f *stockFile) liveMatters() bool {
	families := f.Schema().Families
	for i := range families {
		if m := families[i].Mode; m.Live() || m.PerProcess() {
			return true
		}
	}
	return f.aside
}

// provider is what the names of the files have in common which GitLab's client
// numbers for one identity: "gauge_all_worker_id_0" and "worker_id_0". ok is
// false for files that have no such number.
func (f *stockFile) provider() (name string, ok bool) {
	stem := strings.TrimSuffix(f.base, filepath.Ext(f.base))
	i := strings.LastIndexByte(stem, '-')
	if i < 0 || strings.HasSuffix(stem, f.Identity()) {
		return "", false
	}
	return stem[:i] + "\x00" + f.Identity(), true
}

// Names of stock files that the archiver has set aside.
const asidePrefix = "dead-"

// asideName is the name under which a stock file is set aside.
func asideName(id mmapstore.ID, base string) string { return asidePrefix + id.String() + "-" + base }

// cutAsideName is the reverse of asideName. aside is false, and base the name
// itself, if it is none.
func cutAsideName(name string) (id mmapstore.ID, base string, aside bool) {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(name, "."), asidePrefix)
	digits, base, cut := strings.Cut(rest, "-")
	if !ok || !cut || len(digits) != hex.EncodedLen(len(id)) || !isStockName(base) {
		return id, name, false
	}
	if _, err := hex.Decode(id[:], []byte(digits)); err != nil {
		return mmapstore.ID{}, name, false
	}
	return id, base, true
}
