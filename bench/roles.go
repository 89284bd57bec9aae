//go:build linux

package main

import "os/exec"

// roles are what this program is when it runs again, for a measurement that needs
// more processes.
var roles = map[string]func(args []string) error{
	"busy":          countBusily,
	"hermes-peer":   serveHermesPeer,
	"hermes-sender": sendToHermes,
	"live":          live,
	"measured":      measured,
	"redis-fleet":   serveFleet,
	"redis-publish": publishToRedis,
}

// again is this program in a role.
func again(role string, args ...string) *exec.Cmd {
	return exec.Command("/proc/self/exe", append([]string{role}, args...)...) //nolint:gosec // G204: ourselves
}
