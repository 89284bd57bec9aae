//go:build linux

package main

type plot struct{}

func (p *plot) write(string) error { return nil }

func report(rows []*row) string { return table(rows) }
