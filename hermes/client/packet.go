package client

import (
	"slices"
	"strings"
)

// packet is one datagram, and what it takes to write and to send it without
// allocating. One goroutine has it at a time.
type packet struct {
	buf    []byte
	labels []label
	// send is the method write, bound once: a method value made for each call
	// would be allocated for each. It leaves its result in err.
	send func(fd uintptr)
	err  error
}

type label struct{ name, value string }

// keptPacket is the capacity above which a buffer is not kept for the next call.
const keptPacket = 64 << 10

// take returns an empty packet; give ends its use.
func (c *Client) take() *packet {
	if p, ok := c.packets.Get().(*packet); ok {
		return p
	}
	p := new(packet)
	p.send = p.write
	return p
}

func (c *Client) give(p *packet) {
	if cap(p.buf) > keptPacket {
		return
	}
	p.buf = p.buf[:0]
	c.packets.Put(p)
}

func (p *packet) text(s string) { p.buf = append(p.buf, s...) }

func (p *packet) number(f float64) { p.buf = appendFloat(p.buf, f) }

// open writes all that stands before the payload's first field.
func (p *packet) open(metric string) {
	p.text(`{"metric_name":`)
	p.buf = appendString(p.buf, metric)
	p.text(`,"payload":{`)
}

// close writes the payload's last field, the labels, and ends the packet.
func (p *packet) close(labels map[string]string) {
	p.text(`"labels":`)
	if labels == nil {
		p.text(`null}}`)
		return
	}
	for name, value := range labels {
		p.labels = append(p.labels, label{name, value})
	}
	slices.SortFunc(p.labels, byName)
	p.text(`{`)
	for i, l := range p.labels {
		if i > 0 {
			p.text(`,`)
		}
		p.buf = appendString(p.buf, l.name)
		p.text(`:`)
		p.buf = appendString(p.buf, l.value)
	}
	p.text(`}}}`)
	clear(p.labels) // a pooled packet must not keep the caller's strings alive
	p.labels = p.labels[:0]
}

func byName(a, b label) int { return strings.Compare(a.name, b.name) }
