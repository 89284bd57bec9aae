// Package directory is one multiprocess directory as a merge sees it: its files
// opened once and followed from then on, the liveness of their writers, its
// archive, and the rule that makes one scan of all this count everything
// exactly once while an archiver is at work.
package directory
