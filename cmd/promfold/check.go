//go:build unix

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/alecthomas/kingpin/v2"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// addCheck adds the command that prints what is wrong with files.
func addCheck(app *kingpin.Application) runner {
	var paths []string
	cmd := app.Command("check", "Check files of processes, archives, and directories of them. Prints OK or every fault.")
	cmd.Arg("path", "File or directory.").Required().StringsVar(&paths)
	return func(*slog.Logger) error {
		ok := true
		for _, path := range paths {
			ok = checkPath(path) && ok
		}
		if !ok {
			return errSilent
		}
		return nil
	}
}

func checkPath(path string) (ok bool) {
	info, err := os.Stat(path)
	if err != nil {
		return printFaults(path, []error{err})
	}
	if !info.IsDir() {
		return printFaults(path, faults(path))
	}
	files, err := ours(path)
	if err != nil {
		return printFaults(path, []error{err})
	}
	if len(files) == 0 {
		return printFaults(path, nil)
	}
	ok = true
	for _, f := range files {
		ok = printFaults(f, faults(f)) && ok
	}
	return ok
}

// ours is the files of processes in a directory, those that were set aside, and
// the archive.
func ours(dir string) ([]string, error) {
	var paths []string
	d := directory.New(dir, directory.Options{})
	for _, in := range []string{dir, d.AsideDir()} {
		entries, err := os.ReadDir(in)
		if err != nil && (in == dir || !errors.Is(err, fs.ErrNotExist)) {
			return nil, err
		}
		for _, e := range entries {
			if directory.IsFileName(e.Name()) {
				paths = append(paths, filepath.Join(in, e.Name()))
			}
		}
	}
	if _, err := os.Lstat(d.ArchivePath()); !errors.Is(err, fs.ErrNotExist) {
		paths = append(paths, d.ArchivePath())
	}
	return paths, nil
}

// faults is what is wrong with the file of a process, or with an archive.
func faults(path string) []error {
	if name := filepath.Base(path); directory.IsFileName(name) && !mmapstore.IsFileName(name) {
		return stockFaults(path)
	}
	found := mmapstore.Check(path)
	if len(found) != 1 || !errors.Is(found[0], mmapstore.ErrNotNative) {
		return found
	}
	_, err := directory.ReadArchive(path)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, mmapstore.ErrNotNative):
		return found
	default:
		return []error{err}
	}
}

// stockFaults is what is wrong with the file of another client.
func stockFaults(path string) []error {
	f, err := directory.OpenFile(path, directory.Options{})
	if err != nil {
		return []error{err}
	}
	defer f.Close()
	if joined, ok := f.Damage().(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if f.Damage() != nil {
		return []error{f.Damage()}
	}
	return nil
}

func printFaults(path string, faults []error) (ok bool) {
	if len(faults) == 0 {
		fmt.Printf("%s: OK\n", path)
	}
	for _, err := range faults {
		fmt.Println(oneLine(err))
	}
	return len(faults) == 0
}
