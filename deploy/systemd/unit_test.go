// Package systemd tests the units of this directory: always that their directives
// agree with each other, and with the build tag systemd what systemd says of them.
package systemd

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// readUnit gives the values of each directive, in order.
func readUnit(t *testing.T, path string) map[string][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unit := make(map[string][]string)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name, value, found := strings.Cut(lines.Text(), "="); found && !strings.HasPrefix(name, "#") {
			unit[name] = append(unit[name], value)
		}
	}
	if lines.Err() != nil {
		t.Fatal(lines.Err())
	}
	return unit
}

func one(t *testing.T, unit map[string][]string, name string) string {
	t.Helper()
	if len(unit[name]) != 1 {
		t.Fatalf("%s is given %d times", name, len(unit[name]))
	}
	return unit[name][0]
}

// promfold may write into the directory that it serves, and keeps it when it stops.
func TestDirectoryIsTheUnits(t *testing.T) {
	unit := readUnit(t, "promfold.service")
	command := strings.Fields(one(t, unit, "ExecStart"))
	dir := filepath.Join("/run", one(t, unit, "RuntimeDirectory"))
	var served string
	for _, argument := range command {
		if value, found := strings.CutPrefix(argument, "--multiproc.dir="); found {
			served = value
		}
	}
	if served != dir {
		t.Errorf("serves %s, has %s", served, dir)
	}
	if one(t, unit, "RuntimeDirectoryPreserve") != "yes" {
		t.Error("the directory is removed under the workers when promfold stops")
	}
	if one(t, unit, "ProtectSystem") != "strict" {
		t.Error("it may write elsewhere")
	}
}

// A user of its own, which DynamicUser would make, is answered by no lease.
func TestUserIsTheApplications(t *testing.T) {
	unit := readUnit(t, "promfold.service")
	if user := one(t, unit, "User"); user == "root" || user == "" || len(unit["DynamicUser"]) > 0 {
		t.Errorf("User=%s DynamicUser=%v", user, unit["DynamicUser"])
	}
	if one(t, unit, "CapabilityBoundingSet") != "" {
		t.Error("it keeps capabilities")
	}
}

// Go's memory limit leaves room below the kernel's.
func TestMemoryLimits(t *testing.T) {
	unit := readUnit(t, "promfold.service")
	number := func(s, prefix, unit string) int {
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(s, prefix), unit))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	soft := number(one(t, unit, "Environment"), "GOMEMLIMIT=", "MiB")
	if hard := number(one(t, unit, "MemoryMax"), "", "M"); soft > hard*9/10 {
		t.Errorf("GOMEMLIMIT is %d of %d MiB", soft, hard)
	}
}
