//go:build interop && linux

package interop_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

// hermesExample runs the commands of the example's README.
type hermesExample struct {
	place string
	env   []string
}

func newHermesExample(t *testing.T) *hermesExample {
	t.Helper()
	needProgram(t, "python3")
	place, err := filepath.Abs("../examples/hermes")
	if err != nil {
		t.Fatal(err)
	}
	return &hermesExample{place, []string{"PROMETHEUS_MULTIPROC_DIR=" + rig.NewDirectory(t, rig.User{}, 0o755),
		"PATH=" + stage + ":" + os.Getenv("PATH")}}
}

func (x *hermesExample) command(args ...string) rig.Command {
	return rig.Command{Args: append([]string{"./run"}, args...), Dir: x.place, Env: x.env}
}

// serve is ./run sidecar, with an address that is free.
func (x *hermesExample) serve(t *testing.T, address string) *hermesServer {
	t.Helper()
	return startHermes(t, x.command("sidecar", "--web.listen-address=127.0.0.1:0", "--hermes.listen-address="+address))
}

// send is a sender that must end well.
func (x *hermesExample) send(t *testing.T, what rig.Command) {
	t.Helper()
	p := rig.Start(t, "send", what)
	if err := p.Ended(t, time.Minute); err != nil {
		t.Fatalf("%v\n%s", err, p.Out.Tail(20))
	}
}

// check compares with what n orders are, by send.py's rule.
func (x *hermesExample) check(t *testing.T, got rig.Samples, n int) {
	t.Helper()
	ink := (n + 2) / 3
	want := map[string]float64{
		`shop_orders_total{item="ink"}`:             float64(ink),
		`shop_orders_total{item="pen"}`:             float64(n - ink),
		`shop_order_amount_euros_count{item="ink"}`: float64(ink),
		`shop_order_amount_euros_count{item="pen"}`: float64(n - ink),
		"shop_last_order_euros":                     float64(n-1) + 0.5, // n is at most 60
	}
	for series, value := range want {
		if one, ok := got[series]; !ok || one.Value != value {
			t.Errorf("%s is %v (exposed: %v), not %v", series, one.Value, ok, value)
		}
	}
	for le, below := range map[string]float64{"5": 5, "10": 10, "20": 20, "50": float64(n), "+Inf": float64(n)} {
		if have := got.Sum("shop_order_amount_euros_bucket", "le", le); have != below {
			t.Errorf("%v orders of at most %s euros, not %v", have, le, below)
		}
	}
	if sum, all := got.Sum("shop_order_amount_euros_sum"), float64(n*n)/2; sum != all {
		t.Errorf("all orders are %v euros, not %v", sum, all)
	}
	sameDatagrams(t, got, float64(3*n), map[string]float64{})
}

// hermesOrders is how many orders the example takes here: their datagrams fit the
// socket's buffer, so that none is lost before one is read.
const hermesOrders = 50

// Property: the example of Hermes works as its README says. What was accepted
// outlives the sidecar.
func TestExampleHermes(t *testing.T) {
	x := newHermesExample(t)
	h := x.serve(t, "127.0.0.1:0")
	send := x.command("send", strconv.Itoa(hermesOrders))
	send.Env = append(send.Env, "HERMES_PORT="+h.port(t))
	x.send(t, send)
	got := h.awaitDatagrams(t, 3*hermesOrders)
	x.check(t, got, hermesOrders)
	h.Kill()
	x.check(t, x.serve(t, "127.0.0.1:0").scraped(t), hermesOrders)
}

// Property: with its two lines changed as it says, the example sends to a unix
// socket; and where nobody listens, it ends well and counts nothing.
func TestExampleHermesUnixSocket(t *testing.T) {
	x := newHermesExample(t)
	path := filepath.Join(t.TempDir(), "hermes.sock")
	source, err := os.ReadFile(filepath.Join(x.place, "send.py"))
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.NewReplacer(
		"socket.AF_INET", "socket.AF_UNIX", `("127.0.0.1", int(os.environ.get("HERMES_PORT", "7789")))`, `"`+path+`"`,
	).Replace(string(source))
	if !strings.Contains(changed, "AF_UNIX, socket") || !strings.Contains(changed, `ADDRESS = "`+path) {
		t.Fatalf("the two lines are not as this test has them:\n%s", source)
	}
	script := filepath.Join(t.TempDir(), "send.py")
	if err := os.WriteFile(script, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	one := rig.Command{Args: []string{"python3", "-B", script, "1"}}
	x.send(t, one)
	h := x.serve(t, "unixgram://"+path)
	x.send(t, one)
	got := h.awaitDatagrams(t, 3)
	if n := got.Sum("shop_orders_total"); n != 1 {
		t.Errorf("%v orders are counted, not 1", n)
	}
	sameDatagrams(t, got, 3, map[string]float64{})
}
