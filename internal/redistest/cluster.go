package redistest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// slots is how many a cluster has.
const slots = 16384

// Cluster is a cluster of masters on ports of 127.0.0.1. It ends with the test.
type Cluster struct {
	t     testing.TB
	Nodes []*Server
}

// StartCluster starts one of n nodes and waits until it is whole, for which the
// servers take two seconds. A node that is silent for half a second is taken for
// dead by the others.
func StartCluster(t testing.TB, n int, opts Options) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	opts.Port, opts.cluster = true, true
	for range n {
		c.Nodes = append(c.Nodes, Start(t, opts))
	}
	for i, node := range c.Nodes {
		client := node.Client()
		err := client.ClusterAddSlotsRange(t.Context(), i*slots/n, (i+1)*slots/n-1).Err()
		for _, other := range c.Nodes[:i] {
			err = errors.Join(err, client.Do(t.Context(), "cluster", "meet", "127.0.0.1", other.port, other.bus).Err())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c.Await()
	return c
}

// Await waits until all nodes run and know of each other, and have all slots.
func (c *Cluster) Await() {
	c.t.Helper()
	for _, node := range c.Nodes {
		if err := node.running().await(c.whole(node)); err != nil {
			c.t.Errorf("%s in the cluster: %v", node.URL(), err)
		}
	}
}

// whole asks the node whether it holds the cluster for whole.
func (c *Cluster) whole(node *Server) func(context.Context) error {
	want := []string{
		"cluster_state:ok", fmt.Sprint("cluster_slots_ok:", slots), fmt.Sprint("cluster_known_nodes:", len(c.Nodes)),
	}
	client := node.Client()
	return func(ctx context.Context) error {
		info, err := client.ClusterInfo(ctx).Result()
		if err != nil {
			return err
		}
		for _, line := range want {
			if !strings.Contains(info, line+"\r\n") {
				return fmt.Errorf("no %s in:\n%s", line, info)
			}
		}
		return nil
	}
}

// Client is a plain client of the cluster. It is closed at the end of the test.
func (c *Cluster) Client() *redis.ClusterClient {
	client := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: c.addrs(), Password: c.Nodes[0].opts.Password, DisableIdentity: true,
	})
	c.t.Cleanup(func() { _ = client.Close() })
	return client
}

// URL names all nodes.
func (c *Cluster) URL() string { return "redis+cluster://" + strings.Join(c.addrs(), ",") }

func (c *Cluster) addrs() []string {
	var addrs []string
	for _, node := range c.Nodes {
		addrs = append(addrs, node.Addr())
	}
	return addrs
}
