package instrumentor

import (
	"bytes"
	"strings"
	"testing"
)

// Property: whatever fields and values a hash holds, what is shown is valid in the text
// format and in OpenMetrics, the same the next time, and a good counter beside it is
// there. Each line of a text is field and value, split by a tab.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		"h:b:le=\"1\"\t1\nh:b:le=\"1.0\",a=\"b\"\t2\nh:c:\t7\nh:t:\th",
		"s::quantile=\"1\"\t1\ns:s:\t2\ns_sum::\t3\ns:t:\ts",
		"a:b::x=\"\"\"\t1\na::x=\"1\",x=\"2\"\tnan\na:d:\t\xff\n::\t1",
		"x::__name__=\"y\"\t1\nx:type::\tcounter\nx::le=\"1\"\t-1",
		"h:b:le=\"inf\"\t1\nh:b:le=\"nan\"\t1\nh:s:quantile=\"1\"\t1e400",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		fields := map[string]string{"good_total::": "3", "good_total:t:": "c", "good_total:d:": "Good."}
		for line := range bytes.Lines(text) {
			field, value, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), "\t")
			if !strings.HasPrefix(field, "good_total") {
				fields[field] = value
			}
		}
		shown, _ := decoded(t, fields)
		if again, _ := decoded(t, fields); shown != again {
			t.Fatalf("%s\nthen\n%s", shown, again)
		}
		if !strings.Contains(shown, "\ngood_total 3\n") {
			t.Fatalf("the good counter is not there:\n%s", shown)
		}
	})
}
