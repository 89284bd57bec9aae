package pydb

import (
	"strconv"
	"strings"
)

// pythonIdentity is the identity of a process of client_python: what its
// process_identifier returned, the pid as a rule.
func pythonIdentity(id string) (identity string, pid int) {
	return strings.ToValidUTF8(id, "\uFFFD"), parsePID(id)
}

// gitlabIdentity is what GitLab's client shows as pid: the number of the file is
// taken off, and what looks like one.
func gitlabIdentity(id string) (identity string, pid int) {
	parts := strings.Split(strings.ToValidUTF8(id, "\uFFFD"), "_")
	for i, part := range parts {
		if j := strings.LastIndexByte(part, '-'); j >= 0 && isDigits(part[j+1:]) {
			parts[i] = part[:j]
		}
	}
	identity = strings.Join(parts, "_")
	return identity, parsePID(strings.TrimPrefix(identity, "process_id_"))
}

func parsePID(s string) int {
	if !isDigits(s) {
		return 0
	}
	pid, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0
	}
	return int(pid)
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
