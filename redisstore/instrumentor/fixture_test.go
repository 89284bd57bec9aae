package instrumentor

import (
	"maps"
	"os"
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/redisstore/foreign"
	"github.com/promfold/promfold/redisstore/foreign/foreigntest"
)

// decoded is what a hash comes to, and what was counted on the way.
func decoded(t testing.TB, fields map[string]string) (text string, counts map[string]int) {
	t.Helper()
	r := New(nil, Options{Namespace: "fx", Logger: foreigntest.Quiet})
	d := newDecoder(r.ledger.Begin())
	d.add(foreign.Hash{Key: "fx", Fields: fields})
	source := r.bind(d)
	return foreigntest.Text(t, aggregate.NewMerger(time.Now), source), foreigntest.Counts(t, r.Collectors())
}

// Property: what the library's own exposition shows is what we show, sample by sample,
// with its types and helps. Histograms with labels, whose sums, counts and last buckets
// the library does not store, get what a histogram must have, and are counted.
func TestFixture(t *testing.T) {
	h := foreigntest.Dump(t, "testdata/redis_dump.json")[0]
	text, counts := decoded(t, h.Fields)
	want := fixture.Samples(t, "testdata/expected.prom")
	for _, queue := range []string{"mail", "web"} {
		want[`labelled_seconds_bucket le="+Inf" queue="`+queue+`"`] = 1
		want[`labelled_seconds_count queue="`+queue+`"`] = 1
		want[`labelled_seconds_sum queue="`+queue+`"`] = 0
	}
	foreigntest.Equal(t, foreigntest.Samples(t, text), want)
	expected, err := os.ReadFile("testdata/expected.prom")
	if err != nil {
		t.Fatal(err)
	}
	foreigntest.SameTypes(t, text, string(expected))
	if got, want := fixture.Parse(t, text).Helps, fixture.Parse(t, string(expected)).Helps; !maps.Equal(got, want) {
		t.Errorf("help %v, not %v", got, want)
	}
	if counts["incomplete"] != 2 || len(counts) != 1 {
		t.Errorf("counted %v", counts)
	}
}

// Property: the notation of the README is understood, its slips among it.
func TestReadme(t *testing.T) {
	text, counts := decoded(t, map[string]string{
		"api_http_requests_total::":                                  "32",
		`api_http_requests_total::method="POST",handler="/messages"`: "12",
		"api_http_requests_total:description::":                      "Total HTTP Requests to API",
		"api_http_requests_total:type::":                             "counter",
		"temperature_celsius::":                                      "32",
		`temperature_celsius::location="MainOffice",sensor="34"`:     "12",
		"temperature_celsius:descri ption:":                          "Temperature",
		"temperature_celsius:type:":                                  "gauge",
		`http_request_duration_seconds:bucket:le="0.05"`:             "24054",
		`http_request_duration_seconds:bucket:le="0.1"`:              "33444",
		`http_request_duration_seconds:bucket:le="+Inf"`:             "144320",
		"http_request_duration_seconds:sum:":                         "53423",
		"http_request_duration_seconds:count:":                       "144320",
		"http_request_duration_seconds:description:":                 "Duration of HTTP requests",
		"http_request_duration_seconds:type:":                        "histogram",
		`rpc_duration_seconds::quantile:="0.01"`:                     "3102",
		`rpc_duration_seconds::quantile="0.05"`:                      "3272",
		"rpc_duration_seconds:sum:":                                  "1.7560473e+07",
		"rpc_duration_seconds:count:":                                "2693",
		"rpc_duration_seconds:description:":                          "Duration of RPC",
		"rpc_duration_seconds:type:":                                 "summary",
		"plain_bytes:s:":                                             "7.5",
		"plain_bytes:c:":                                             "2",
		"plain_bytes:t:":                                             "s",
	})
	foreigntest.Equal(t, foreigntest.Samples(t, text), map[string]float64{
		"api_http_requests_total": 32, `api_http_requests_total handler="/messages" method="POST"`: 12,
		"temperature_celsius": 32, `temperature_celsius location="MainOffice" sensor="34"`: 12,
		`http_request_duration_seconds_bucket le="0.05"`: 24054, `http_request_duration_seconds_bucket le="0.1"`: 33444,
		`http_request_duration_seconds_bucket le="+Inf"`: 144320, "http_request_duration_seconds_sum": 53423, "http_request_duration_seconds_count": 144320,
		`rpc_duration_seconds quantile="0.01"`: 3102, `rpc_duration_seconds quantile="0.05"`: 3272,
		"rpc_duration_seconds_sum": 1.7560473e+07, "rpc_duration_seconds_count": 2693,
		"plain_bytes_sum": 7.5, "plain_bytes_count": 2,
	})
	e := fixture.Parse(t, text)
	for family, typ := range map[string]string{
		"api_http_requests_total": "counter", "temperature_celsius": "gauge", "http_request_duration_seconds": "histogram",
		"rpc_duration_seconds": "gauge", "plain_bytes": "summary",
	} {
		if e.Types[family] != typ {
			t.Errorf("%s is a %q", family, e.Types[family])
		}
	}
	if e.Helps["temperature_celsius"] != "Temperature" || len(counts) > 0 {
		t.Errorf("help %v, counted %v", e.Helps, counts)
	}
}

// Property: labels whose values are not escaped are told apart as far as they can be;
// what cannot costs its field alone.
func TestUnescapedLabels(t *testing.T) {
	for labels, want := range map[string]map[string]string{
		`a="x"y"`:                       {"a": `x"y`},
		`a=""`:                          {"a": ""},
		`a="""`:                         {"a": `"`},
		`a="x:y::z",b="n` + "\n" + `="`: {"a": "x:y::z", "b": "n\n="},
		`a="x,b=1",c="é→😀"`:             {"a": "x,b=1", "c": "é→😀"},
		`a="x\"`:                        {"a": `x\`},
		`a="x",a="y"`:                   nil,
		`a="x"z`:                        nil,
		`a="`:                           nil,
		`a=x`:                           nil,
		`,a="x"`:                        nil,
		`1a="x"`:                        nil,
	} {
		text, counts := decoded(t, map[string]string{"good:t:": "g", "good::": "1", "bad:t:": "g", "bad::" + labels: "2"})
		samples := map[string]float64{"good": 1}
		if want != nil {
			samples[fixture.Series("bad", want)] = 2
		}
		foreigntest.Equal(t, foreigntest.Samples(t, text), samples)
		if want == nil && counts["field"] != 1 || want != nil && len(counts) > 0 {
			t.Errorf("%s: counted %v", labels, counts)
		}
	}
}

// Property: a bad field costs itself, and is counted by what is wrong with it.
func TestBadFields(t *testing.T) {
	for name, c := range map[string]struct{ field, value, reason string }{
		"no colon":            {"x", "1", "field"},
		"unknown extension":   {"x:q:", "1", "field"},
		"no name":             {"::", "1", "field"},
		"no number":           {"good_total::a=\"b\"", "one", "value"},
		"hexadecimal":         {"good_total::a=\"b\"", "0x10", "value"},
		"negative counter":    {"good_total::a=\"b\"", "-1", "value"},
		"NaN of a counter":    {"good_total::a=\"b\"", "nan", "value"},
		"bucket of a counter": {"good_total:b:le=\"1\"", "1", "type"},
		"sum of a counter":    {"good_total:s:", "1", "type"},
		"unknown type":        {"good_bytes:t:", "x", "type"},
		"half an observation": {"h:b:le=\"1\"", "0.5", "value"},
		"bucket below all":    {"h:b:le=\"-inf\"", "1", "bound"},
		"bound that is none":  {"h:b:le=\"nan\"", "1", "bound"},
		"bucket without":      {"h:b:a=\"b\"", "1", "bound"},
		"value of histogram":  {"h::", "1", "type"},
		"reserved label":      {"h:c:le=\"1\"", "1", "labels"},
	} {
		text, counts := decoded(t, map[string]string{"good_total:t:": "c", "good_total::": "3", "h:t:": "h", c.field: c.value})
		foreigntest.Equal(t, foreigntest.Samples(t, text), map[string]float64{"good_total": 3})
		if counts[c.reason] != 1 || len(counts) != 1 {
			t.Errorf("%s: counted %v, not one %s", name, counts, c.reason)
		}
	}
}

// Property: types that were lost with the hash are told by what is left.
func TestLostTypes(t *testing.T) {
	text, counts := decoded(t, map[string]string{
		"a_total::": "1", "b::": "-1", `c:b:le="1"`: "1", `c:b:le="inf"`: "1", "c:s:": "1", "c:c:": "1", "d:s:": "1", "d:c:": "1",
	})
	want := map[string]string{"a_total": "counter", "b": "gauge", "c": "histogram", "d": "summary"}
	if got := fixture.Parse(t, text).Types; !maps.Equal(got, want) {
		t.Errorf("types %v", got)
	}
	if counts["untyped"] != 4 || len(counts) != 1 {
		t.Errorf("counted %v", counts)
	}
}
