//go:build linux

package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"time"
)

// plot is scrape time against the number of dead pids, as an SVG.
type plot struct{ curves []*curve }

type curve struct {
	name   string
	points []point
}

type point struct {
	dead int
	took time.Duration
}

func (p *plot) add(name string, dead int, took time.Duration) {
	for _, c := range p.curves {
		if c.name == name {
			c.points = append(c.points, point{dead, took})
			return
		}
	}
	p.curves = append(p.curves, &curve{name, []point{{dead, took}}})
}

// The picture, in pixels, and what its axes show.
const (
	plotWidth, plotHeight       = 760, 420
	left, right, top, bottom    = 70, 20, 50, 60
	fastestShown, slowestShown  = time.Millisecond, 100 * time.Second
	tickEvery                   = 1000 // dead pids
	axisColor, gridColor, paper = "#444", "#ddd", "#fff"
)

// Distinct without colour as well: each curve has its name beside it.
var curveColors = []string{"#3465a4", "#c17d11", "#4e9a06"}

func (p *plot) most() int {
	most := 1
	for _, c := range p.curves {
		for _, at := range c.points {
			most = max(most, at.dead)
		}
	}
	return most
}

func (p *plot) x(dead int) float64 {
	return left + float64(dead)/float64(p.most())*(plotWidth-left-right)
}

// y is logarithmic.
func y(took time.Duration) float64 {
	decades := math.Log10(float64(slowestShown) / float64(fastestShown))
	at := math.Log10(float64(max(took, fastestShown))/float64(fastestShown)) / decades
	return top + (1-at)*(plotHeight-top-bottom)
}

func (p *plot) write(path string) error {
	if len(p.curves) == 0 {
		return errors.New("nothing to plot: the rows about dead pids were not measured")
	}
	return os.WriteFile(path, []byte(p.svg()), 0o644) //nolint:gosec // G306: for all to read
}

func (p *plot) svg() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="%s"/>`+"\n", plotWidth, plotHeight, paper)
	text(&b, left, 24, "start", axisColor, "Time of a scrape: 64 living processes x 4,750 samples, and dead ones x 994")
	for d := fastestShown; d <= slowestShown; d *= 10 {
		line(&b, left, y(d), plotWidth-right, y(d), gridColor)
		text(&b, left-8, y(d)+4, "end", axisColor, short(d))
	}
	for dead := 0; dead <= p.most(); dead += tickEvery {
		line(&b, p.x(dead), plotHeight-bottom, p.x(dead), plotHeight-bottom+5, axisColor)
		text(&b, p.x(dead), plotHeight-bottom+20, "middle", axisColor, fmt.Sprint(dead))
	}
	line(&b, left, plotHeight-bottom, plotWidth-right, plotHeight-bottom, axisColor)
	text(&b, (left+plotWidth-right)/2, plotHeight-15, "middle", axisColor, "dead pids (promfold has archived theirs)")
	for i, c := range p.curves {
		p.draw(&b, c, curveColors[i%len(curveColors)])
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (p *plot) draw(b *strings.Builder, c *curve, color string) {
	var path []string
	for _, at := range c.points {
		path = append(path, fmt.Sprintf("%.1f,%.1f", p.x(at.dead), y(at.took)))
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", p.x(at.dead), y(at.took), color)
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(path, " "), color)
	last := c.points[len(c.points)-1]
	text(b, p.x(last.dead), y(last.took)-8, "end", color, c.name+": "+short(last.took))
}

func line(b *strings.Builder, x1, y1, x2, y2 float64, color string) {
	fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>`+"\n", x1, y1, x2, y2, color)
}

func text(b *strings.Builder, x, y float64, anchor, color, s string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s">%s</text>`+"\n", x, y, anchor, color, escape.Replace(s))
}

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
