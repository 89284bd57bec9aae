package pdc

import (
	"bytes"
	"strings"
	"testing"

	"github.com/promfold/promfold/redisstore/foreign"
)

// Property: whatever keys, fields and values are stored, with a prefix or without, what
// is shown is valid in the text format and in OpenMetrics, the same the next time, and
// a good counter beside it is there. Each line of a text is key, field and value, split
// by tabs.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		"p_a\t_total:{}\t1\np_a\t_total: {}\t2",
		"p_h\t_bucket:{\"le\":\"1\"}\t1\np_h\t_bucket:{\"le\": \"1.0\"}\t2\np_h_count\t{}\tnan",
		"p_h_bucket\t{\"le\": \"0x1p-2\"}\t1\np_h\t:{}\t-0.0\np_h\t_sum:{\"quantile\":\"1\"}\t1",
		"p_s_sum\t{}\t1\np_s_count\t{}\t1e400\np_s\t_count:{}\t1",
		"p_x\t:{\"__name__\":\"y\"}\t1\np_x\t:{\"a:b\":\"1\",\"a_b\":\"2\"}\tinf",
		"p_x\t:{\"a\":\"\\ud83d\"}\t1\np_x\t:{\"a\":\"\\ud83e\"}\t2\np_x\t:{\"a\":1}\t1\np_x\t:{\"a\":\"1\",\"a\":\"2\"}\t1",
		"p_\t:{}\t1\np__total\t{}\t1\np_a.b\t:{}\t1\np_a_b\t:{}\t1",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		hashes := map[string]foreign.Hash{"p_good": of("p_good", "_total:{}", "3")}
		for line := range bytes.Lines(text) {
			parts := strings.SplitN(strings.TrimSuffix(string(line), "\n"), "\t", 3)
			if len(parts) < 3 || strings.HasPrefix(parts[0], "p_good") {
				continue
			}
			if _, ok := hashes[parts[0]]; !ok {
				hashes[parts[0]] = of(parts[0])
			}
			hashes[parts[0]].Fields[parts[1]] = parts[2]
		}
		all := make([]foreign.Hash, 0, len(hashes))
		for _, h := range hashes {
			all = append(all, h)
		}
		for prefix, good := range map[string]string{"p": "good_total", "": "p_good_total"} {
			shown, _ := decoded(t, prefix, all...)
			if again, _ := decoded(t, prefix, all...); shown != again {
				t.Fatalf("%s\nthen\n%s", shown, again)
			}
			if prefix == "p" && !strings.Contains(shown, "\n"+good+" 3\n") {
				t.Fatalf("the good counter is not there:\n%s", shown)
			}
		}
	})
}
