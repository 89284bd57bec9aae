//go:build unix

package directory

// LookAgain is what a scan does about a known file by itself: it asks whether the
// writer lives, if it is time, and reads what was appended.
func LookAgain(f *File) error {
	f.file.probeDue(f.file.probed)
	return f.file.refresh()
}
