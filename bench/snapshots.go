// Prepares and removes a snapshot, again and again. Usage: snapshots SOCKET TIMES
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/containerd/containerd"
	"github.com/containerd/containerd/namespaces"
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(socket, count string) error {
	times, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	client, err := containerd.New(socket)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx := namespaces.WithNamespace(context.Background(), "bench-snapshots")
	// Without a lease a collection may come between the two calls.
	ctx, done, err := client.WithLease(ctx)
	if err != nil {
		return err
	}
	defer done(ctx)
	snapshotter := client.SnapshotService(containerd.DefaultSnapshotter)
	for i := 0; i < times; i++ {
		key := fmt.Sprintf("key-%d", i)
		if _, err := snapshotter.Prepare(ctx, key, ""); err != nil {
			return err
		}
		if err := snapshotter.Remove(ctx, key); err != nil {
			return err
		}
	}
	return nil
}
