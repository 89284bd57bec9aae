//go:build unix

// Command promfold folds the metrics of many processes into one Prometheus
// target. See the help of its commands.
package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"
	promslogflag "github.com/prometheus/common/promslog/flag"
	"github.com/prometheus/common/version"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // something went wrong, or a check found something
	exitUsage  = 2 // the command line makes no sense
)

// usageError is an error of the command line.
type usageError struct{ error }

// errSilent is a failure about which all is said already.
var errSilent = errors.New("failed")

// runner does what a command is for.
type runner func(*slog.Logger) error

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if info, ok := debug.ReadBuildInfo(); ok && version.Version == "" {
		version.Version = strings.TrimPrefix(info.Main.Version, "v") // of go install
	}
	app := kingpin.New("promfold", "Folds the metrics of many processes into one Prometheus target. "+
		"Without a command it serves, with the flags that promfold serve --help shows.")
	app.UsageWriter(os.Stdout)
	app.HelpFlag.Short('h')
	app.Version(version.Print("promfold"))
	logConfig := &promslog.Config{Writer: os.Stderr}
	promslogflag.AddFlags(app, logConfig)
	runners := map[string]runner{
		"serve":       addServe(app, logConfig),
		"demo":        addDemo(app),
		"dump":        addDump(app),
		"check":       addCheck(app),
		"archive":     addArchive(app),
		"demo-worker": addDemoWorker(app),
	}
	command, err := app.Parse(args)
	if err != nil {
		return fail(usageError{err})
	}
	return fail(runners[command](promslog.New(logConfig)))
}

// fail says in one line what went wrong, and gives the exit code for it.
func fail(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errSilent):
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "promfold: error: %s, try --help\n", oneLine(err))
		return exitUsage
	default:
		fmt.Fprintf(os.Stderr, "promfold: error: %s\n", oneLine(err))
		return exitFailed
	}
}

// oneLine is the text of an error, which has a line for each that it joins.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
