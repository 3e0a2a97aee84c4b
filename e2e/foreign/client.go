// A Go client of containerd's API, as others are written: it pulls, unpacks, runs, waits, execs, follows events and
// takes leases from many goroutines at once. Usage: client SOCKET REGISTRY IMAGE GOROUTINES
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/containerd/containerd"
	"github.com/containerd/containerd/cio"
	"github.com/containerd/containerd/errdefs"
	"github.com/containerd/containerd/leases"
	"github.com/containerd/containerd/namespaces"
	"github.com/containerd/containerd/oci"
	"github.com/containerd/containerd/remotes/docker"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("all well")
}

func run(socket, registry, name, count string) error {
	goroutines, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	client, err := containerd.New(socket)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(namespaces.WithNamespace(context.Background(), "foreign"), 4*time.Minute)
	defer cancel()

	exits, err := followExits(ctx, client)
	if err != nil {
		return err
	}
	image, err := pull(ctx, client, registry, name)
	if err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	faults := make(chan error, goroutines)
	var group sync.WaitGroup
	for i := 0; i < goroutines; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			if err := work(ctx, client, image, i); err != nil {
				faults <- fmt.Errorf("goroutine %d: %w", i, err)
			}
		}(i)
	}
	group.Wait()
	close(faults)
	for fault := range faults {
		return fault
	}
	return exits.expect(ctx, goroutines)
}

func pull(ctx context.Context, client *containerd.Client, registry, name string) (containerd.Image, error) {
	hosts := docker.ConfigureDefaultRegistries(docker.WithPlainHTTP(docker.MatchAllHosts))
	resolver := docker.NewResolver(docker.ResolverOptions{Hosts: hosts})
	image, err := client.Pull(ctx, registry+"/"+name, containerd.WithResolver(resolver), containerd.WithPullUnpack)
	if err != nil {
		return nil, err
	}
	unpacked, err := image.IsUnpacked(ctx, containerd.DefaultSnapshotter)
	if err == nil && !unpacked {
		err = fmt.Errorf("the image is not unpacked")
	}
	return image, err
}

// One container from its creation to its end, with an exec in it, and a lease of its own beside.
func work(ctx context.Context, client *containerd.Client, image containerd.Image, i int) error {
	if err := lease(ctx, client, i); err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	id := fmt.Sprintf("foreign-%d", i)
	container, err := client.NewContainer(ctx, id, containerd.WithNewSnapshot(id, image),
		containerd.WithNewSpec(oci.WithImageConfig(image), oci.WithProcessArgs("/bin/sh", "-c", "read line; echo got $line; exit 7")))
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if err := task(ctx, container, i); err != nil {
		return err
	}
	if err := container.Delete(ctx, containerd.WithSnapshotCleanup); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if _, err := client.LoadContainer(ctx, id); !errdefs.IsNotFound(err) {
		return fmt.Errorf("a deleted container is answered with %v", err)
	}
	return nil
}

func task(ctx context.Context, container containerd.Container, i int) error {
	var output bytes.Buffer
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reader.Close()
	task, err := container.NewTask(ctx, cio.NewCreator(cio.WithStreams(reader, &output, io.Discard)))
	if err != nil {
		return fmt.Errorf("new task: %w", err)
	}
	exited, err := task.Wait(ctx)
	if err != nil {
		return fmt.Errorf("wait: %w", err)
	}
	if err := task.Start(ctx); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	if err := exec(ctx, container, task, i); err != nil {
		return fmt.Errorf("exec: %w", err)
	}
	fmt.Fprintf(writer, "%d\n", i)
	writer.Close()
	status := <-exited
	if code, _, err := status.Result(); err != nil || code != 7 {
		return fmt.Errorf("exit status %d, %v", code, err)
	}
	task.IO().Wait()
	if _, err := task.Delete(ctx); err != nil {
		return fmt.Errorf("delete task: %w", err)
	}
	if want := fmt.Sprintf("got %d\n", i); output.String() != want {
		return fmt.Errorf("output %q, want %q", output.String(), want)
	}
	return nil
}

func exec(ctx context.Context, container containerd.Container, task containerd.Task, i int) error {
	spec, err := container.Spec(ctx)
	if err != nil {
		return err
	}
	process := *spec.Process
	process.Args = []string{"/bin/sh", "-c", "echo exec; exit 3"}
	var output bytes.Buffer
	running, err := task.Exec(ctx, fmt.Sprintf("exec-%d", i), &process, cio.NewCreator(cio.WithStreams(nil, &output, io.Discard)))
	if err != nil {
		return err
	}
	exited, err := running.Wait(ctx)
	if err != nil {
		return err
	}
	if err := running.Start(ctx); err != nil {
		return err
	}
	status := <-exited
	// Delete cancels the copying of output that has not come through yet.
	running.IO().Wait()
	if _, err := running.Delete(ctx, containerd.WithProcessKill); err != nil {
		return err
	}
	if status.ExitCode() != 3 || strings.TrimSpace(output.String()) != "exec" {
		return fmt.Errorf("exit status %d, output %q", status.ExitCode(), output.String())
	}
	if err := task.Kill(ctx, syscall.Signal(0)); err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	return nil
}

func lease(ctx context.Context, client *containerd.Client, i int) error {
	manager := client.LeasesService()
	made, err := manager.Create(ctx, leases.WithID(fmt.Sprintf("lease-%d", i)), leases.WithExpiration(time.Hour))
	if err != nil {
		return err
	}
	if _, err := manager.Create(ctx, leases.WithID(made.ID)); !errdefs.IsAlreadyExists(err) {
		return fmt.Errorf("a second lease of the same id is answered with %v", err)
	}
	resource := leases.Resource{ID: "some-key", Type: "snapshots/overlayfs"}
	if err := manager.AddResource(ctx, made, resource); err != nil {
		return err
	}
	resources, err := manager.ListResources(ctx, made)
	if err != nil || len(resources) != 1 || resources[0] != resource {
		return fmt.Errorf("resources %v, %v", resources, err)
	}
	return manager.Delete(ctx, made, leases.SynchronousDelete)
}

// The exits that the event stream told of.
type exits struct {
	seen chan struct{}
	errs <-chan error
}

func followExits(ctx context.Context, client *containerd.Client) (*exits, error) {
	events, errs := client.Subscribe(ctx, `namespace==foreign,topic=="/tasks/exit"`)
	followed := &exits{seen: make(chan struct{}, 1024), errs: errs}
	go func() {
		for range events {
			followed.seen <- struct{}{}
		}
	}()
	return followed, nil
}

// Every container and every exec tells of its end once.
func (e *exits) expect(ctx context.Context, containers int) error {
	for i := 0; i < 2*containers; i++ {
		select {
		case <-e.seen:
		case err := <-e.errs:
			return fmt.Errorf("events: %w", err)
		case <-time.After(10 * time.Second):
			return fmt.Errorf("%d of %d exits were told", i, 2*containers)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
