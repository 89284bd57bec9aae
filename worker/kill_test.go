package worker

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/internal/need"
)

const childEnv = "PROMFOLD_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		countForever()
		return
	}
	os.Exit(m.Run())
}

const childGoroutines = 2

// countForever counts and tells over a pipe how much it has counted, after the
// calls returned. It is made of the package-level constructors and Open.
func countForever() {
	counter := NewCounterVec(prometheus.CounterOpts{Name: "c"}, []string{"a"}).WithLabelValues("x")
	hist := NewHistogram(prometheus.HistogramOpts{Name: "h", Buckets: []float64{1}})
	s, err := Open("")
	if err != nil || s != defaultStore {
		panic(errors.Join(err, errors.New("no default store")))
	}
	var mu sync.Mutex
	for range childGoroutines {
		go func() {
			var told [8]byte
			for i := uint64(1); ; i++ {
				counter.Inc()
				counter.Add(0.5)
				hist.Observe(1)
				if i%16 == 0 {
					binary.NativeEndian.PutUint64(told[:], 16)
					mu.Lock()
					os.Stdout.Write(told[:])
					mu.Unlock()
				}
			}
		}()
	}
	select {}
}

// What a process was told to have counted is in its file after SIGKILL, and
// beyond it no more than what each goroutine had in hand.
func TestKill(t *testing.T) {
	for range 10 {
		dir := t.TempDir()
		cmd := need.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"=1", "PROMETHEUS_MULTIPROC_DIR="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var acknowledged uint64
		var told [8]byte
		for pipe, killed := bufio.NewReader(out), false; ; {
			_, err := io.ReadFull(pipe, told[:])
			if err != nil {
				break
			}
			acknowledged += binary.NativeEndian.Uint64(told[:])
			if acknowledged > 50_000 && !killed {
				killed = true
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		cmd.Wait()
		files, _ := filepath.Glob(filepath.Join(dir, "*.pfm"))
		if len(files) != 1 {
			t.Fatalf("files: %v", files)
		}
		file := readFile(t, files[0])
		low, high := float64(acknowledged), float64(acknowledged+childGoroutines*16)
		if got := file[`c{a="x"}`].value(); got < 1.5*low || got > 1.5*high {
			t.Errorf("counter %v, acknowledged %v", got, 1.5*low)
		}
		if got := float64(file["h{}"].words[1]); got < low || got > high {
			t.Errorf("observations %v, acknowledged %v", got, low)
		}
	}
}
