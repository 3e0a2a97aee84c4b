// Many Go clients of one daemon at mixed work, each with a connection of its own, until their time is up.
// Usage: soak SOCKET REGISTRY IMAGE CLIENTS SECONDS. Prints how often each kind of work was done; the first fault ends all.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/containerd/containerd"
	"github.com/containerd/containerd/cio"
	"github.com/containerd/containerd/content"
	"github.com/containerd/containerd/errdefs"
	"github.com/containerd/containerd/images"
	"github.com/containerd/containerd/leases"
	"github.com/containerd/containerd/mount"
	"github.com/containerd/containerd/namespaces"
	"github.com/containerd/containerd/oci"
	"github.com/containerd/containerd/remotes/docker"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	clients, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	seconds, err := strconv.Atoi(args[4])
	if err != nil {
		return err
	}
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	counts := newTally()
	faults := make(chan error, clients)
	var group sync.WaitGroup
	for i := 0; i < clients; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			w := &worker{socket: args[0], ref: args[1] + "/" + args[2], number: i, random: rand.New(rand.NewSource(int64(i)))}
			if err := w.until(ctx, end, counts); err != nil {
				faults <- fmt.Errorf("client %d: %w", i, err)
				cancel()
			}
		}(i)
	}
	group.Wait()
	close(faults)
	for fault := range faults {
		return fault
	}
	counts.print()
	return nil
}

type tally struct {
	mutex sync.Mutex
	done  map[string]int
}

func newTally() *tally { return &tally{done: map[string]int{}} }

func (t *tally) add(name string) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.done[name]++
}

func (t *tally) print() {
	names := make([]string, 0, len(t.done))
	for name := range t.done {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Printf("%s %d\n", name, t.done[name])
	}
}

// How long a client waits for a daemon to greet it: the machine may be busy with other things than these.
const patience = 2 * time.Minute

// One client: a namespace of its own for every fourth, so that some share theirs.
type worker struct {
	socket, ref string
	number      int
	random      *rand.Rand
	client      *containerd.Client
	image       containerd.Image
	made        int
}

type job struct {
	name   string
	weight int
	do     func(*worker, context.Context) error
}

var jobs = []job{
	{"run", 4, (*worker).run},
	{"content", 8, (*worker).content},
	{"snapshot", 6, (*worker).snapshot},
	{"lease", 6, (*worker).lease},
	{"image", 6, (*worker).tag},
	{"list", 8, (*worker).list},
	{"events", 3, (*worker).events},
	{"reconnect", 1, (*worker).reconnect},
	{"pull", 1, (*worker).pullAgain},
}

func (w *worker) until(ctx context.Context, end time.Time, counts *tally) error {
	ctx = namespaces.WithNamespace(ctx, fmt.Sprintf("soak-%d", w.number/4))
	client, err := containerd.New(w.socket, containerd.WithTimeout(patience))
	if err != nil {
		return err
	}
	w.client = client
	defer func() { w.client.Close() }()
	if err := w.pull(ctx); err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	for time.Now().Before(end) && ctx.Err() == nil {
		next := w.draw()
		if err := next.do(w, ctx); err != nil {
			return fmt.Errorf("%s: %w", next.name, err)
		}
		counts.add(next.name)
	}
	return nil
}

func (w *worker) draw() job {
	total := 0
	for _, each := range jobs {
		total += each.weight
	}
	at := w.random.Intn(total)
	for _, each := range jobs {
		if at < each.weight {
			return each
		}
		at -= each.weight
	}
	return jobs[0]
}

// A name that nobody else has.
func (w *worker) name(kind string) string {
	w.made++
	return fmt.Sprintf("%s-%d-%d", kind, w.number, w.made)
}

func (w *worker) pull(ctx context.Context) error {
	hosts := docker.ConfigureDefaultRegistries(docker.WithPlainHTTP(docker.MatchAllHosts))
	resolver := docker.NewResolver(docker.ResolverOptions{Hosts: hosts})
	image, err := w.client.Pull(ctx, w.ref, containerd.WithResolver(resolver), containerd.WithPullUnpack)
	w.image = image
	return err
}

func (w *worker) pullAgain(ctx context.Context) error { return w.pull(ctx) }

func (w *worker) reconnect(ctx context.Context) error {
	// As a client that crashed: a stream is open, and nobody ends it.
	w.client.Subscribe(ctx)
	w.client.Close()
	client, err := containerd.New(w.socket, containerd.WithTimeout(patience))
	if err != nil {
		return err
	}
	w.client = client
	w.image, err = client.GetImage(ctx, w.ref)
	return err
}

func (w *worker) run(ctx context.Context) error {
	id := w.name("c")
	code := 1 + w.random.Intn(100)
	script := fmt.Sprintf("read line; echo got $line; exit %d", code)
	container, err := w.client.NewContainer(ctx, id, containerd.WithNewSnapshot(id, w.image),
		containerd.WithNewSpec(oci.WithImageConfig(w.image), oci.WithProcessArgs("/bin/sh", "-c", script)))
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if err := w.task(ctx, container, code); err != nil {
		return err
	}
	return container.Delete(ctx, containerd.WithSnapshotCleanup)
}

func (w *worker) task(ctx context.Context, container containerd.Container, code int) error {
	var output bytes.Buffer
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reader.Close()
	defer writer.Close()
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
	killed := w.random.Intn(4) == 0
	if killed {
		err = task.Kill(ctx, syscall.SIGKILL)
	} else {
		_, err = fmt.Fprintln(writer, code)
	}
	if err != nil {
		return fmt.Errorf("end: %w", err)
	}
	status := <-exited
	task.IO().Wait()
	if _, err := task.Delete(ctx); err != nil {
		return fmt.Errorf("delete task: %w", err)
	}
	want, text := uint32(code), fmt.Sprintf("got %d\n", code)
	if killed {
		want, text = 137, ""
	}
	if got, _, err := status.Result(); err != nil || got != want || output.String() != text {
		return fmt.Errorf("exit status %d, %v, output %q", got, err, output.String())
	}
	return nil
}

func (w *worker) content(ctx context.Context) error {
	ctx, done, err := w.client.WithLease(ctx)
	if err != nil {
		return err
	}
	defer done(ctx)
	blob := make([]byte, 1+w.random.Intn(300_000))
	w.random.Read(blob)
	store := w.client.ContentStore()
	wanted := ocispec.Descriptor{Digest: digest.FromBytes(blob), Size: int64(len(blob))}
	if err := content.WriteBlob(ctx, store, w.name("blob"), bytes.NewReader(blob), wanted); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	read, err := content.ReadBlob(ctx, store, wanted)
	if err != nil || !bytes.Equal(read, blob) {
		return fmt.Errorf("read %d of %d bytes: %v", len(read), len(blob), err)
	}
	// An ingest that is given up.
	writer, err := store.Writer(ctx, content.WithRef(w.name("lost")))
	if err != nil {
		return err
	}
	ref := ""
	if status, err := writer.Status(); err == nil {
		ref = status.Ref
	}
	if _, err := writer.Write(blob[:len(blob)/2]); err != nil {
		return err
	}
	if err := writer.Close(); err != nil {
		return err
	}
	if err := store.Abort(ctx, ref); err != nil {
		return fmt.Errorf("abort: %w", err)
	}
	return store.Delete(ctx, wanted.Digest)
}

func (w *worker) snapshot(ctx context.Context) error {
	snapshotter := w.client.SnapshotService(containerd.DefaultSnapshotter)
	ctx, done, err := w.client.WithLease(ctx)
	if err != nil {
		return err
	}
	defer done(ctx)
	key, name := w.name("active"), w.name("committed")
	mounts, err := snapshotter.Prepare(ctx, key, "")
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	err = mount.WithTempMount(ctx, mounts, func(root string) error {
		return os.WriteFile(root+"/file", []byte(key), 0o644)
	})
	if err != nil {
		return err
	}
	if err := snapshotter.Commit(ctx, name, key); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if _, err := snapshotter.View(ctx, key, name); err != nil {
		return fmt.Errorf("view: %w", err)
	}
	if err := snapshotter.Remove(ctx, name); !errdefs.IsFailedPrecondition(err) {
		return fmt.Errorf("a snapshot with children is removed with %v", err)
	}
	if err := snapshotter.Remove(ctx, key); err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	return snapshotter.Remove(ctx, name)
}

func (w *worker) lease(ctx context.Context) error {
	manager := w.client.LeasesService()
	made, err := manager.Create(ctx, leases.WithID(w.name("lease")), leases.WithExpiration(time.Hour))
	if err != nil {
		return err
	}
	resource := leases.Resource{ID: made.ID + "-key", Type: "snapshots/overlayfs"}
	if err := manager.AddResource(ctx, made, resource); err != nil {
		return err
	}
	if found, err := manager.ListResources(ctx, made); err != nil || len(found) != 1 {
		return fmt.Errorf("resources %v, %v", found, err)
	}
	return manager.Delete(ctx, made)
}

func (w *worker) tag(ctx context.Context) error {
	store := w.client.ImageService()
	name := "example.com/" + w.name("tag") + ":1"
	if _, err := store.Create(ctx, images.Image{Name: name, Target: w.image.Target()}); err != nil {
		return err
	}
	if _, err := store.Update(ctx, images.Image{Name: name, Target: w.image.Target(), Labels: map[string]string{"a": "b"}}); err != nil {
		return err
	}
	if found, err := store.List(ctx, fmt.Sprintf("name==%q", name)); err != nil || len(found) != 1 {
		return fmt.Errorf("images %v, %v", found, err)
	}
	return store.Delete(ctx, name)
}

func (w *worker) list(ctx context.Context) error {
	if _, err := w.client.Containers(ctx); err != nil {
		return err
	}
	found, err := w.client.ImageService().List(ctx)
	if err != nil {
		return err
	}
	for _, image := range found {
		if image.Name == w.ref {
			return nil
		}
	}
	return fmt.Errorf("%s is not among %d images", w.ref, len(found))
}

func (w *worker) events(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	name := w.name("told")
	events, errs := w.client.Subscribe(ctx, `topic=="/containers/create"`)
	// A stream is open once it tells something: ask until it does.
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	made := 0
	defer func() {
		for i := 0; i < made; i++ {
			w.client.ContainerService().Delete(namespaces.WithNamespace(context.Background(), mustNamespace(ctx)), fmt.Sprintf("%s-%d", name, i))
		}
	}()
	for {
		select {
		case envelope := <-events:
			if envelope != nil && strings.HasPrefix(envelope.Topic, "/containers/") {
				return nil
			}
		case err := <-errs:
			return err
		case <-ticker.C:
			if _, err := w.client.NewContainer(ctx, fmt.Sprintf("%s-%d", name, made), containerd.WithNewSpec()); err != nil {
				return err
			}
			made++
		}
	}
}

func mustNamespace(ctx context.Context) string {
	namespace, _ := namespaces.Namespace(ctx)
	return namespace
}
