//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kingpin/v2"
)

// excludes are the directories of --archive.exclude: served, not archived.
type excludes struct{ patterns []string }

func (e *excludes) add(cmd *kingpin.CmdClause) {
	cmd.Flag("archive.exclude", "Directory, or a glob of such, that is served and not archived: --no-archive for it alone. "+
		"Repeatable.").StringsVar(&e.patterns)
}

// complete finds what makes no sense. One that means none of the directories is
// a slip, and would let one be archived after all; where there are globs, the
// directory may still come.
func (e *excludes) complete(dirs *dirFlags) error {
	globs := slices.ContainsFunc(dirs.patterns, isGlob)
	for _, p := range e.patterns {
		if _, err := filepath.Match(p, ""); err != nil || p == "" {
			return usageError{fmt.Errorf("--archive.exclude=%q: not a path or glob", p)}
		}
		if !globs && !slices.ContainsFunc(dirs.expand(), func(dir string) bool { return meant(p, dir) }) {
			return usageError{fmt.Errorf("--archive.exclude=%q: none of the directories that are served", p)}
		}
	}
	return nil
}

// cover reports whether the directory is excluded.
func (e *excludes) cover(dir string) bool {
	return slices.ContainsFunc(e.patterns, func(p string) bool { return meant(p, dir) })
}

// meant reports whether the pattern means the directory, however it is written:
// by its path, which need not exist yet, or as another name of the same.
func meant(pattern, dir string) bool {
	cwd, _ := os.Getwd() // without it, relative paths match as they are written
	if matched, _ := filepath.Match(absolute(escapeGlob(cwd), pattern), absolute(cwd, dir)); matched {
		return true
	}
	return sameFile(pattern, dir)
}

func absolute(cwd, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(cwd, path)
}

// escapeGlob is a pattern for the path alone.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
