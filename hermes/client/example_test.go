package client_test

import (
	"fmt"
	"net"

	hermes "github.com/promfold/promfold/hermes/client"
)

// One Client for the whole application; Close sends what is still queued.
func Example() {
	receiver, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer receiver.Close()

	metrics, err := hermes.NewClient("udp://"+receiver.LocalAddr().String(), hermes.Options{Queue: 1000})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := metrics.ObserveHistogram("job_seconds", map[string]string{"queue": "mail"}, 0.25); err != nil {
		fmt.Println(err) // the application goes on
	}
	if err := metrics.Close(); err != nil {
		fmt.Println(err)
	}
	fmt.Println(metrics.Stats().Sent, "sent")

	packet := make([]byte, 2048)
	n, _, err := receiver.ReadFrom(packet)
	fmt.Println(string(packet[:n]), err)
	// Output:
	// 1 sent
	// {"metric_name":"job_seconds","payload":{"observation":0.25,"labels":{"queue":"mail"}}} <nil>
}
