// Reads an OCI spec, adds CDI devices to it with the library of CDI's makers, and writes it.
//
//	cdi DIR,DIR DEVICE... <spec.json
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/container-orchestrated-devices/container-device-interface/pkg/cdi"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func main() {
	if err := inject(strings.Split(os.Args[1], ","), os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func inject(dirs, devices []string) error {
	var spec specs.Spec
	if err := json.NewDecoder(os.Stdin).Decode(&spec); err != nil {
		return err
	}
	cache, err := cdi.NewCache(cdi.WithAutoRefresh(false), cdi.WithSpecDirs(dirs...))
	if err != nil {
		return err
	}
	// What is wrong with one file does not keep the others from being used.
	_ = cache.Refresh()
	if _, err := cache.InjectDevices(&spec, devices...); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(&spec)
}
