//go:build unix

package directory

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// ReadArchive reads the archive at path. fs.ErrNotExist alone means that there
// is none. mmapstore's ErrChecksum, ErrTruncated, ErrMalformed and ErrNotNative
// mean damage, ErrVersion and ErrByteOrder that another program made it.
func ReadArchive(path string) (*aggregate.Archive, error) {
	return readArchive(path, mmapstore.OpenRegular)
}

// opener opens a regular file, and tells its size.
type opener func(path string) (*os.File, int64, error)

func readArchive(path string, open opener) (*aggregate.Archive, error) {
	// While an archiver exchanges archive and spare, a reader may hold the file
	// that has just become the spare and is being written again. Its name then
	// leads elsewhere.
	for try := 1; ; try++ {
		before, _ := readStamp(path, open) // or it is zero, which none is
		a, err := readArchiveOnce(path, open)
		if err == nil || !Damaged(err) || try == 3 {
			return a, err
		}
		if now, stampErr := readStamp(path, open); stampErr == nil && now == before {
			return a, err // it was that one
		}
	}
}

func readArchiveOnce(path string, open opener) (*aggregate.Archive, error) {
	f, _, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a, err := decodeArchive(f)
	if err != nil {
		return nil, fmt.Errorf("read the archive %s: %w", path, err)
	}
	return a, nil
}

// decodeArchive reads no more of the file than the archive in it, behind which
// there may be room for much larger ones.
func decodeArchive(f *os.File) (*aggregate.Archive, error) {
	size, err := aggregate.CheckArchive(f)
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); errors.Is(err, io.EOF) {
		b = b[:n] // cut since
	} else if err != nil {
		return nil, err
	}
	return aggregate.DecodeArchive(b)
}

// Damaged reports whether the error of ReadArchive means that the archive is
// beyond repair and may be set aside.
func Damaged(err error) bool {
	if notDirectory(err) {
		return false
	}
	for _, kind := range []error{
		mmapstore.ErrChecksum, mmapstore.ErrTruncated, mmapstore.ErrMalformed, mmapstore.ErrNotNative,
		mmapstore.ErrNotRegular,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// stamp tells one generation of one archive from every other.
type stamp struct {
	generation uint64
	id         mmapstore.ID
}

// readStamp is the cheap look at an archive: its header. The zero stamp means
// that there is none.
func readStamp(path string, open opener) (stamp, error) {
	f, _, err := open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return stamp{}, nil
	}
	if err != nil {
		return stamp{}, err
	}
	defer f.Close()
	b := make([]byte, aggregate.ArchiveHeaderSize)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return stamp{}, fmt.Errorf("read the archive: %w", err)
	}
	generation, id, err := aggregate.DecodeArchiveHeader(b[:n])
	if err != nil {
		return stamp{}, fmt.Errorf("%s: %w", path, err)
	}
	return stamp{generation, id}, nil
}
