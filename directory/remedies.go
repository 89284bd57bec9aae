package directory

// LivenessRemedies are what an operator can do so that liveness can be told, the best
// first.
const LivenessRemedies = "run promfold as the application's user (runAsUser, and its fsGroup); " +
	"or share the pid namespace with it (shareProcessNamespace) and say --liveness.same-pid-namespace; " +
	"or run as uid 0 with CAP_LEASE; until then keep calling mark_process_dead"
