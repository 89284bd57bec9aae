//go:build attack && linux

package attack_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/internal/rig"
)

var fleetServes = regexp.MustCompile(`msg="Listening on"`)

// fleetGroup is hosts with one promfold, which publishes them.
type fleetGroup struct {
	f         *fleet
	name      string
	dir       string
	hosts     []*fleetHost
	ephemeral bool

	publisher *rig.Process // nil while there is none
	over      bool         // there will be none any more
	log       strings.Builder
}

// startGroups makes the directories of so many hosts, and has somebody count in them and
// publish them. The first group is ephemeral.
func (f *fleet) startGroups(groups, hosts int) {
	f.t.Helper()
	base := rig.NewDirectory(f.t, rig.User{}, 0o755)
	for n := range groups {
		g := &fleetGroup{f: f, name: fmt.Sprintf("group%d", n), ephemeral: n == 0}
		g.dir = filepath.Join(base, g.name)
		for len(f.hosts) < hosts*(n+1)/groups {
			h := &fleetHost{number: len(f.hosts), dir: filepath.Join(g.dir, fmt.Sprint("host", len(f.hosts))), name: g.name}
			if err := os.MkdirAll(h.dir, 0o755); err != nil {
				f.t.Fatal(err)
			}
			f.hosts, g.hosts = append(f.hosts, h), append(g.hosts, h)
		}
		f.groups = append(f.groups, g)
	}
	const writers = 2
	for n := range writers {
		f.startWriter(f.hosts[len(f.hosts)*n/writers : len(f.hosts)*(n+1)/writers])
	}
	for _, g := range f.groups {
		g.start()
	}
}

func (f *fleet) startWriter(hosts []*fleetHost) {
	f.t.Helper()
	args := []string{strconv.Itoa(hosts[0].number), strconv.Itoa(*fleetSeries)}
	for _, h := range hosts {
		args = append(args, h.dir)
	}
	w := &fleetWriter{hosts: f.hosts, heard: make(chan struct{}, 1)}
	command := inRole("fleet-write", args...)
	command.Stdout, command.Stdin = w, true
	w.Process = rig.Start(f.t, fmt.Sprint("writer of host ", hosts[0].number), command)
	for _, h := range hosts {
		h.writer = w
	}
}

func (g *fleetGroup) start() {
	g.f.t.Helper()
	args := []string{
		promfold(), "serve", "--multiproc.dir=" + g.dir + "/host*", "--web.listen-address=127.0.0.1:0", "--archive.interval=500ms",
		"--redis.url=" + g.f.store.url, "--redis.namespace=" + fleetNamespace, "--redis.publish", "--redis.host=" + g.name, fleetInterval,
	}
	if g.ephemeral {
		args = append(args, "--redis.ephemeral")
	}
	g.publisher = rig.Start(g.f.t, g.name, rig.Command{Args: args})
}

// kill ends the publisher at this moment, whatever it does.
func (g *fleetGroup) kill() {
	g.publisher.Kill()
	g.left()
}

// stop ends the publisher in good order.
func (g *fleetGroup) stop() {
	g.f.t.Helper()
	g.publisher.Says(g.f.t, fleetServes, 1, patience) // before that the signal ends it as any program
	g.publisher.Signal(g.f.t, syscall.SIGTERM)
	if err := g.publisher.Ended(g.f.t, patience); err != nil {
		g.f.t.Errorf("%s: %v\n%s", g.name, err, g.publisher.Out.Tail(20))
	}
	if said := g.publisher.Out.String(); strings.Contains(said, "does not have the last counts") {
		g.f.t.Errorf("%s has not published to the end:\n%s", g.name, g.publisher.Out.Tail(20))
	}
	g.left()
}

func (g *fleetGroup) left() {
	g.log.WriteString(g.publisher.Out.String())
	g.publisher = nil
}

// ids are those of the hosts by number, as far as they were ever published.
func (g *fleetGroup) ids(t testing.TB) map[int]string {
	t.Helper()
	ids := make(map[int]string)
	for _, h := range g.hosts {
		b, err := os.ReadFile(filepath.Join(h.dir, ".promfold", "host.pfh"))
		if err != nil {
			continue
		}
		a, err := aggregate.DecodeArchive(b)
		if err != nil {
			t.Fatal(err)
		}
		ids[h.number] = a.ID.String()
	}
	return ids
}

// awaitFolded waits until Redis has none of the hosts any more.
func (g *fleetGroup) awaitFolded() {
	g.f.t.Helper()
	ids := g.ids(g.f.t)
	rig.Await(g.f.t, patience, func() error {
		all := g.f.index()
		for number, id := range ids {
			if _, ok := all[id]; ok {
				return fmt.Errorf("host %d is not folded", number)
			}
		}
		return nil
	})
}

// ask asks the writer of each host.
func (g *fleetGroup) ask(question byte) {
	g.f.t.Helper()
	for _, h := range g.hosts {
		h.writer.ask(g.f.t, question, h.number)
	}
}
