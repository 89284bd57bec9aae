package redistest

import (
	"context"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// CommandStats is how often the server has executed each command since it
// started, by name in lower case: "hget", "script|load". What scripts call is
// counted as well, and so are the commands of this package.
func (s *Server) CommandStats() map[string]int64 {
	s.t.Helper()
	stats := make(map[string]int64)
	for name, value := range s.info("commandstats") {
		calls, _, _ := strings.Cut(strings.TrimPrefix(value, "calls="), ",")
		stats[strings.TrimPrefix(name, "cmdstat_")] = s.number(name, calls)
	}
	return stats
}

// UsedMemory is how many bytes the server has allocated.
func (s *Server) UsedMemory() int64 {
	s.t.Helper()
	return s.number("used_memory", s.info("memory")["used_memory"])
}

// info is a section of INFO.
func (s *Server) info(section string) map[string]string {
	s.t.Helper()
	c := redis.NewClient(s.clientOptions())
	defer func() { _ = c.Close() }()
	text, err := c.Info(context.Background(), section).Result()
	if err != nil {
		s.t.Errorf("INFO %s: %v", section, err)
	}
	fields := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}

func (s *Server) number(name, value string) int64 {
	s.t.Helper()
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		s.t.Errorf("INFO: %s: %v", name, err)
	}
	return n
}
