//go:build image

package image

import (
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// hermesDatagrams are what clients send, and some that Hermes drops or dies of.
var hermesDatagrams = []string{
	`{"metric_name": "shop_orders_total", "payload": {"labels": {"item": "pen"}}}`,
	`{"metric_name": "shop_orders_total", "payload": {"labels": {"item": "pen"}}}`,
	`{"metric_name": "shop_orders_total", "payload": {"labels": {"item": "ink"}}}`,
	`{"metric_name": "shop_open_carts", "payload": {"operation": "set", "value": 65.5}}`,
	`{"metric_name": "shop_open_carts", "payload": {"operation": "decrement", "value": null, "labels": {}}}`,
	`{"metric_name": "shop_latency_seconds", "payload": {"labels": {"item": "pen"}, "observation": 0.25}}`,
	`{"metric_name": "shop_orders_total", "payload": {"labels": {}}}`,
	`{"metric_name": "shop_unknown", "payload": {"labels": {}}}`,
	`{"metric_name": "shop_open_carts", "payload": {"operation": "set", "value": NaN}}`,
	`{"metric_name": "shop_parcel_bytes", "payload": {"observation": 20}}`,
}

var hermesExposed = []string{
	`shop_orders_total{item="ink"} 1`,
	`shop_orders_total{item="pen"} 2`,
	`shop_open_carts 64.5`,
	`shop_latency_seconds_bucket{item="pen",le="0.1"} 0`,
	`shop_latency_seconds_bucket{item="pen",le="0.25"} 1`,
	`shop_latency_seconds_sum{item="pen"} 0.25`,
	`shop_parcel_bytes_sum 20`,
	`shop_parcel_bytes_count 1`,
	`promfold_hermes_packets_accepted_total 7`,
	`promfold_hermes_packets_rejected_total{reason="labels"} 1`,
	`promfold_hermes_packets_rejected_total{reason="unknown_metric"} 1`,
	`promfold_hermes_packets_rejected_total{reason="json"} 1`,
}

var hermesAddress = regexp.MustCompile(`msg="Listening for Hermes datagrams" address=(\S+)`)

// checkHermes makes an image by the Dockerfile that Hermes' documentation gives,
// with FROM changed alone, and runs it with what an engine mounts. It takes
// datagrams and serves their sums at Hermes' ports, and writes nowhere but in
// /dev/shm.
func checkHermes(t *testing.T, hermes *built) {
	needRoot(t)
	recipe := parse(t, "testdata/hermes/Dockerfile")
	x := &builder{context: "testdata/hermes", images: map[string]*built{recipe[0].BaseName: hermes}}
	image := x.build(t, recipe[0])
	image.mount(t, "proc", "/proc", "")
	image.mount(t, "tmpfs", "/dev/shm", "mode=1777,size=64m")
	n := newNetwork(t)
	r := image.start(t, n, nil)
	if a := r.says(t, hermesAddress); !strings.HasSuffix(a, ":7789") {
		t.Errorf("it takes datagrams at %s", a)
	}
	if a := r.says(t, webAddress); !strings.HasSuffix(a, ":8080") {
		t.Errorf("it serves at %s", a)
	}
	udp, err := n.dial(t.Context(), "udp", "127.0.0.1:7789")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for _, d := range hermesDatagrams {
		if _, err := udp.Write([]byte(d)); err != nil {
			t.Fatal(err)
		}
	}
	// A connection for each, or one would be left to a network that is gone.
	client := &http.Client{Transport: &http.Transport{DialContext: n.dial, DisableKeepAlives: true}}
	body := get(t, client, "http://127.0.0.1:8080/metrics")
	for began := time.Now(); len(missing(body, hermesExposed)) > 0 && time.Since(began) < 20*time.Second; {
		time.Sleep(20 * time.Millisecond)
		body = get(t, client, "http://127.0.0.1:8080/metrics")
	}
	if m := missing(body, hermesExposed); len(m) > 0 {
		t.Errorf("/metrics does not say %q:\n%s", m, body)
	}
	r.stop(t)
	want := slices.Sorted(slices.Values(append(slices.Clone(shipped), "/dev", "/hermes_config.json")))
	if got := image.files(t); !slices.Equal(got, want) {
		t.Errorf("the root holds %v, not %v", got, want)
	}
	if left, _ := filepath.Glob(filepath.Join(image.root, "dev/shm/*")); len(left) == 0 {
		t.Error("there is no directory in /dev/shm, or it was counted elsewhere")
	}
}

// missing is the lines that a text does not have.
func missing(text string, lines []string) (m []string) {
	has := strings.Split(text, "\n")
	for _, line := range lines {
		if !slices.Contains(has, line) {
			m = append(m, line)
		}
	}
	return m
}
