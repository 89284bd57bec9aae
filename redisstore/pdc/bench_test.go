package pdc

import (
	"fmt"
	"testing"

	"github.com/promfold/promfold/redisstore/foreign"
	"github.com/promfold/promfold/redisstore/foreign/foreigntest"
)

// BenchmarkDecode is a read of 200 metrics with 50 series each, but for the server.
func BenchmarkDecode(b *testing.B) {
	var hashes []foreign.Hash
	for i := range 200 {
		h := of(fmt.Sprintf("p_jobs_%d", i))
		for j := range 50 {
			h.Fields[fmt.Sprintf(`_total:{"host":"host-%d","queue":"mail"}`, j)] = fmt.Sprint(j)
		}
		hashes = append(hashes, h)
	}
	ledger, book := foreign.NewLedger("pdc:p", foreigntest.Quiet), foreign.NewBook("pdc", nil)
	b.ReportAllocs()
	for b.Loop() {
		round := ledger.Begin()
		d := NewDecoder("p", round)
		for _, h := range hashes {
			d.Add(h)
		}
		book.Bind(d.Table(), nil)
		round.Close()
	}
}
