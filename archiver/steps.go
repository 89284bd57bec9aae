package archiver

// Step names a moment between two effects of an archiver on the file system, at
// which it may be killed. After any of them another archiver goes on, and nothing
// is lost or counted twice. No two effects follow each other without a step
// between them; tests hold that, and that every step is reached.
type Step string

// A round begins. Our directory is made under a name that nobody looks at, so that
// it never has its name without its mode.
const (
	StepScanned   Step = "scanned"          // nothing was done yet
	StepDirMade   Step = "directory made"   // with the mode that the umask leaves
	StepDirOpened Step = "directory opened" // to those who may use the main one
	StepDirNamed  Step = "directory named"  // it is there
)

// Room is made while there is some: what is reserved now cannot be lacking later.
const (
	StepSpareMade     Step = "spare made"     // empty, with the mode that the umask leaves
	StepSpareOpened   Step = "spare opened"   // with the right mode
	StepRoomMade      Step = "room made"      // spare or archive has grown, beyond what it says
	StepDamagedAside  Step = "damaged aside"  // a damaged file or archive is in nobody's way
	StepDamagedPruned Step = "damaged pruned" // one of too many such files is gone
)

// The steps of a commit, in order.
const (
	StepFolded    Step = "folded"    // nothing was written yet
	StepWritten   Step = "written"   // the spare holds the new archive, or a part; nobody reads it
	StepSynced    Step = "synced"    // the spare is complete
	StepRenamed   Step = "renamed"   // the new archive is in force: readers skip the files that it names
	StepDurable   Step = "durable"   // the rename is on disk
	StepUnlinked  Step = "unlinked"  // an absorbed file is gone; others are there, and named
	StepCommitted Step = "committed" // all are gone
)

// What earlier ones left undone.
const (
	StepLeftover Step = "leftover removed" // a file that a killed archiver had absorbed is gone
	StepSwept    Step = "swept"            // the file of a process that died at birth is gone
)

// A stock client's file on its way into the archive, before the steps of a commit.
const (
	StepMourned   Step = "mourned"   // it was found dead, and has its grace
	StepSetAside  Step = "set aside" // it has a name by which no process takes it up, and counts under that
	StepProbed    Step = "probed"    // it has rested, and was asked again
	StepDiscarded Step = "discarded" // one that needs no archive is gone
)

// Steps lists all steps.
var Steps = []Step{
	StepScanned, StepDirMade, StepDirOpened, StepDirNamed,
	StepSpareMade, StepSpareOpened, StepRoomMade, StepDamagedAside, StepDamagedPruned,
	StepFolded, StepWritten, StepSynced, StepRenamed, StepDurable, StepUnlinked, StepCommitted,
	StepLeftover, StepSwept,
	StepMourned, StepSetAside, StepProbed, StepDiscarded,
}
