//go:build attack && linux

package attack_test

import (
	"regexp"
	"slices"
	"strings"
)

// inShort are the warnings that docs/liveness.md spells out.
var inShort = map[string]string{
	"Cannot tell whether some processes live: they count as live and are not archived": "cannot tell",
	"Cannot use a file, or not in full":                                                "cannot use a file",
	"Round failed, nothing is lost":                                                    "round failed",
}

var (
	warned   = regexp.MustCompile(`level=(?:WARN|ERROR)\b.*? msg="([^"]+)"(.*)`)
	aboutDir = regexp.MustCompile(`(client_python|DirectFileStore|native)`)
	refusal  = regexp.MustCompile(`(permission denied|operation not permitted)`)
)

// warnings is what was warned of, by the base name of the directory: what names none
// is of all. Duplicates and details are left out.
func warnings(log string) map[string]string {
	said := make(map[string][]string)
	for _, line := range warned.FindAllStringSubmatch(log, -1) {
		text := line[1]
		if short, ok := inShort[text]; ok {
			text = short
		}
		if why := refusal.FindString(line[2]); why != "" {
			text += ": " + why
		}
		for _, client := range seatedClients {
			if about := aboutDir.FindString(line[2]); (about == "" || about == client.name) && !slices.Contains(said[client.name], text) {
				said[client.name] = append(said[client.name], text)
			}
		}
	}
	all := make(map[string]string)
	for name, texts := range said {
		slices.Sort(texts)
		all[name] = strings.Join(texts, "; ")
	}
	return all
}
