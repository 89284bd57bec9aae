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

// ours is the files of processes in a directory, and its archive.
func ours(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if mmapstore.IsFileName(e.Name()) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	archive := directory.New(dir, directory.Options{}).ArchivePath()
	if _, err := os.Lstat(archive); !errors.Is(err, fs.ErrNotExist) {
		paths = append(paths, archive)
	}
	return paths, nil
}

// faults is what is wrong with the file of a process, or with an archive.
func faults(path string) []error {
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

func printFaults(path string, faults []error) (ok bool) {
	if len(faults) == 0 {
		fmt.Printf("%s: OK\n", path)
	}
	for _, err := range faults {
		fmt.Println(oneLine(err))
	}
	return len(faults) == 0
}
