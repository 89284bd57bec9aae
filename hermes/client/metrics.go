package client

import (
	"encoding/json"
	"fmt"
)

// IncrementCounter adds 1 to a counter.
func (c *Client) IncrementCounter(name string, labels map[string]string) error {
	p := c.take()
	p.open(name)
	p.close(labels)
	return c.post(p)
}

// AddCounter adds amount to a counter; 0 makes the series exist. An amount other
// than 1 needs promfold with --hermes.counter-amounts: without it, and with
// Hermes' own server, each call counts 1. A negative, infinite or NaN amount is
// refused with ErrAmount.
func (c *Client) AddCounter(name string, labels map[string]string, amount float64) error {
	if amount == 1 {
		return c.IncrementCounter(name, labels)
	}
	if !finite(amount) || amount < 0 {
		return c.invalid(ErrAmount)
	}
	p := c.take()
	p.open(name)
	p.text(`"amount":`)
	p.number(amount)
	p.text(`,`)
	p.close(labels)
	return c.post(p)
}

// IncrementGauge adds 1 to a gauge.
func (c *Client) IncrementGauge(name string, labels map[string]string) error {
	return c.step(name, "increment", labels)
}

// DecrementGauge takes 1 from a gauge.
func (c *Client) DecrementGauge(name string, labels map[string]string) error {
	return c.step(name, "decrement", labels)
}

func (c *Client) step(name, operation string, labels map[string]string) error {
	p := c.take()
	p.open(name)
	p.text(`"operation":"`)
	p.text(operation)
	p.text(`","value":null,`)
	p.close(labels)
	return c.post(p)
}

// SetGauge sets a gauge. An infinite or NaN value is refused with ErrValue.
func (c *Client) SetGauge(name string, labels map[string]string, value float64) error {
	if !finite(value) {
		return c.invalid(ErrValue)
	}
	p := c.take()
	p.open(name)
	p.text(`"operation":"set","value":`)
	p.number(value)
	p.text(`,`)
	p.close(labels)
	return c.post(p)
}

// ObserveHistogram adds one observation to a histogram. An infinite or NaN
// observation is refused with ErrValue.
func (c *Client) ObserveHistogram(name string, labels map[string]string, observation float64) error {
	return c.observe(name, labels, observation)
}

// ObserveSummary adds one observation to a summary. An infinite or NaN
// observation is refused with ErrValue.
func (c *Client) ObserveSummary(name string, labels map[string]string, observation float64) error {
	return c.observe(name, labels, observation)
}

func (c *Client) observe(name string, labels map[string]string, observation float64) error {
	if !finite(observation) {
		return c.invalid(ErrValue)
	}
	p := c.take()
	p.open(name)
	p.text(`"observation":`)
	p.number(observation)
	p.text(`,`)
	p.close(labels)
	return c.post(p)
}

// SendUDPPacket sends whatever packet is in JSON. It is here for those who used
// it with Hermes' client; the network is that of the Client, UDP or not.
func (c *Client) SendUDPPacket(packet any) error {
	b, err := json.Marshal(packet)
	if err != nil {
		return c.invalid(fmt.Errorf("hermes: packet to JSON: %w", err))
	}
	p := c.take()
	p.buf = append(p.buf, b...)
	return c.post(p)
}
