package pydb

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/promfold/promfold/mmapstore/stock"
)

// keys are of all clients, and of none.
var keys = []string{
	`["x", "x_total", {"a": "1", "b": ""}, "Help \"q\" \\ \n \u00fc\ud83d\ude00"]`,
	`["x", "x", {}]`, `["x", "x", ["a"], ["b"]]`, `["x","x",["a","b","c","d","e"],[1,2.5e-7,null,true,false]]`,
	`["x","x",["a"],["näive 😀 \u0001 \/ \b\f\r\t"]]`, `["\ud83d","\ude00x",{"a":"\ud83d\u0041"}]`,
	"[\"\xff\",\"\xc3\x28\",{\"a\":\"\xed\xa0\x80\"}]", `["x","x",{"a":{"b":[1,{"c":null}]}}]`, `["x","x",{"a":[]},""]`,
	`["x","x",[],[]`, `["x","x",{},]`, `["x","x",{"a":01}]`, `["x","x",{"a":-}]`, `["x","x",{"a":1.}]`, `["x","x",{"a":"\x"}]`,
	"[\"x\",\"\n\",{}]", `["x","x"]`, `[]`, `null`, `["x","x",{}]]`, ` ["x" , "x" , { "a" : 1 } , "h" ] `, `["x","x",{"a":"1","a":"2"}]`,
}

// oracle is a key as encoding/json reads it: names and values in order, a number
// as its text. ok is false if it has none of the three shapes.
func oracle(key []byte) (pairs []string, help string, ok bool) {
	d := json.NewDecoder(bytes.NewReader(key))
	d.UseNumber()
	var parts []json.RawMessage
	if !json.Valid(key) || d.Decode(&parts) != nil || len(parts) < 3 || len(parts) > 4 {
		return nil, "", false
	}
	var metric, sample string
	if !isString(parts[0], &metric) || !isString(parts[1], &sample) {
		return nil, "", false
	}
	pairs = append(pairs, metric, sample)
	if parts[2][0] == '[' {
		var names []json.RawMessage
		var values []json.RawMessage
		if len(parts) != 4 || parts[3][0] != '[' || json.Unmarshal(parts[2], &names) != nil || json.Unmarshal(parts[3], &values) != nil {
			return nil, "", false
		}
		for _, raw := range names {
			var name string
			if !isString(raw, &name) {
				return nil, "", false
			}
			pairs = append(pairs, name)
		}
		for _, raw := range values {
			pairs = append(pairs, text(raw))
		}
		return pairs, "", true
	}
	if parts[2][0] != '{' || len(parts) == 4 && !isString(parts[3], &help) {
		return nil, "", false
	}
	return append(pairs, object2pairs(parts[2])...), help, true
}

// object2pairs keeps the order, and what is there twice.
func object2pairs(raw json.RawMessage) (pairs []string) {
	d := json.NewDecoder(bytes.NewReader(raw))
	_, _ = d.Token() // the brace
	for d.More() {
		name, _ := d.Token()
		var value json.RawMessage
		_ = d.Decode(&value)
		pairs = append(pairs, name.(string), text(value))
	}
	return pairs
}

func isString(raw json.RawMessage, s *string) bool {
	return len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, s) == nil
}

const nested = "\x00nested"

func text(raw json.RawMessage) string {
	var s string
	switch {
	case isString(raw, &s):
		return s
	case raw[0] == '[' || raw[0] == '{':
		return nested
	case string(raw) == "null":
		return ""
	}
	return string(raw)
}

// Property: any bytes are a key to us exactly if encoding/json finds one of the
// three shapes in them, and then the names, values and help are the same.
func FuzzKey(f *testing.F) {
	for _, key := range keys {
		f.Add([]byte(key))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		if bytes.Count(key, []byte("[")) > maxDepth || bytes.Count(key, []byte("{")) > maxDepth {
			return // deeper than we go, and less than encoding/json does
		}
		parser := newFormat(name{typ: 2})
		var k stock.Key
		err := parser.Decode(key, &k)
		want, help, ok := oracle(key)
		if errors.Is(err, stock.ErrKey) == ok {
			t.Fatalf("%q: %v, oracle: %v", key, err, ok)
		}
		if err != nil {
			lossy := strings.ContainsRune(strings.Join(want, ""), '\uFFFD')
			isNested := strings.Contains(strings.Join(want, ""), nested)
			if lists := ok && bytes.Contains(key, []byte("[")); ok && !lossy && !isNested && !lists {
				t.Fatalf("%q is refused: %v", key, err)
			}
			return
		}
		if string(k.Help) != help || string(k.Family) != want[1] {
			t.Fatalf("%q: help %q, family %q, want %q, %q", key, k.Help, k.Family, help, want[1])
		}
		compareLabels(t, &k, want[2:], parser.scan.b)
	})
}

func compareLabels(t *testing.T, k *stock.Key, want []string, key []byte) {
	var pairs, names, values []string
	for _, l := range k.Labels {
		pairs = append(pairs, string(l.Name), string(l.Value))
		names, values = append(names, string(l.Name)), append(values, string(l.Value))
	}
	if got := strings.Join(pairs, "\x00"); got == strings.Join(want, "\x00") {
		return
	}
	if got := strings.Join(append(names, values...), "\x00"); got != strings.Join(want, "\x00") {
		t.Fatalf("%q: labels %q, want %q", key, pairs, want)
	}
}
