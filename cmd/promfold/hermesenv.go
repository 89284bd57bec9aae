//go:build unix

package main

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"
)

// hermesEnv lets the environment say what it says to Hermes, where no flag says
// otherwise.
type hermesEnv struct {
	on bool

	webAddresses *[]string
	webGiven     bool
	level        *promslog.Level
	levelGiven   bool
}

// Hermes' own defaults.
const (
	hermesConfigPath = "/etc/hermes/config.json"
	hermesAddress    = "0.0.0.0"
	hermesPort       = 7789
	hermesWebPort    = 8080
)

// watch learns which flags are given that have a variable.
func (e *hermesEnv) watch(app *kingpin.Application, cmd *kingpin.CmdClause, webAddresses *[]string, level *promslog.Level) {
	e.webAddresses, e.level = webAddresses, level
	cmd.GetFlag("web.listen-address").IsSetByUser(&e.webGiven)
	app.GetFlag("log.level").IsSetByUser(&e.levelGiven)
}

// fill is for flags that were parsed.
func (e *hermesEnv) fill(f *hermesFlags, dirs *dirFlags) error {
	if f.config == "" {
		f.config = cmp.Or(os.Getenv("HERMES_CONFIG_PATH"), os.Getenv("CONFIG_FILE_PATH"), hermesConfigPath)
	}
	if len(f.options.Addresses) == 0 {
		port, err := envPort("LISTEN_PORT", hermesPort)
		if err != nil {
			return err
		}
		host := cmp.Or(os.Getenv("LISTEN_ADDRESS"), hermesAddress)
		f.options.Addresses = []string{net.JoinHostPort(host, strconv.Itoa(port))}
	}
	if !e.webGiven {
		port, err := envPort("PROMETHEUS_LISTEN_PORT", hermesWebPort)
		if err != nil {
			return err
		}
		*e.webAddresses = []string{net.JoinHostPort("", strconv.Itoa(port))}
	}
	if level := os.Getenv("LOG_LEVEL"); level != "" && !e.levelGiven {
		_ = e.level.Set(strings.ToLower(level)) // Hermes takes no notice of what is no level
	}
	if dirs.fromEnvironment(); len(dirs.patterns) > 0 || f.dir != "" {
		return nil
	}
	var err error
	f.dir, err = ownDir(f.options.Addresses[0])
	return err
}

// envPort is the port that a variable has.
func envPort(name string, otherwise int) (int, error) {
	text := os.Getenv(name)
	if text == "" {
		return otherwise, nil
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, usageError{fmt.Errorf("$%s=%q: not a port", name, text)}
	}
	return int(port), nil
}

// ownDir makes a directory for a listener on an address that has none, in memory where
// there is such a place. No other user may have made it, who could write to it.
func ownDir(address string) (string, error) {
	parent := "/dev/shm"
	if info, err := os.Stat(parent); err != nil || !info.IsDir() {
		parent = os.TempDir()
	}
	where, _, _ := strings.Cut(address, "?")
	name := where[strings.LastIndexAny(where, ":/")+1:] // its port, or the name of a socket
	dir := filepath.Join(parent, "promfold-hermes-"+name)
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return "", fmt.Errorf("no place for what Hermes' clients count, give --hermes.dir: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || !ok || int(stat.Uid) != os.Geteuid() {
		return "", fmt.Errorf("%s is somebody else's: give --hermes.dir", dir)
	}
	return dir, nil
}
