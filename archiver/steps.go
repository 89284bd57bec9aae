package archiver

// Step names a moment in a commit at which a kill is interesting. After any of
// them another archiver goes on, and nothing is lost or counted twice:
//
//	StepFolded     nothing was written yet
//	StepWritten    the spare holds the new archive, or a part of it; nobody reads the spare
//	StepSynced     the spare is complete
//	StepRenamed    the new archive is in force: readers skip the files that it names
//	StepDurable    the rename is on disk
//	StepUnlinked   some of the absorbed files are gone, the others are named still
//	StepCommitted  all is done
//
// A stock client's file has more of them:
//
//	StepSetAside   it has a name by which no process takes it up, and counts under that
//	StepDiscarded  one that needs no archive is gone
type Step string

// The steps of a commit, in order.
const (
	StepFolded    Step = "folded"
	StepWritten   Step = "written"
	StepSynced    Step = "synced"
	StepRenamed   Step = "renamed"
	StepDurable   Step = "durable"
	StepUnlinked  Step = "unlinked" // after each file
	StepCommitted Step = "committed"
	StepSetAside  Step = "set aside"
	StepDiscarded Step = "discarded"
)

// Steps lists the steps of a commit in order.
var Steps = []Step{StepFolded, StepWritten, StepSynced, StepRenamed, StepDurable, StepUnlinked, StepCommitted}
