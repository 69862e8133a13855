// Checks of what stands in for WASI, where transforms run: Configure makes them, and refuses with what failed.
package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"example.com/checks/sluice"
)

type checks struct{}

func init() { sluice.Register(checks{}) }

func main() {}

func (checks) Describe() sluice.Description {
	return sluice.Description{Name: "Checks", Version: "0.1.0", Summary: "Checks the package."}
}

func (checks) Configure([]byte) (sluice.Interest, error) {
	if randomGet() != uint32(syscall.ENOSYS) {
		return sluice.Interest{}, fmt.Errorf("randomness was not refused")
	}
	began := time.Now()
	time.Sleep(time.Hour)
	if slept := time.Since(began); slept < time.Hour {
		return sluice.Interest{}, fmt.Errorf("an hour's sleep took %v", slept)
	}
	sluice.Log(sluice.LevelInfo, "2 checks")
	return sluice.Interest{Commands: []string{"get"}, View: sluice.ViewAll}, nil
}

func (checks) Request(*sluice.Request, *sluice.Verdict) {
	fmt.Print("one ", "line")
	fmt.Print(" \xff\nanother")
	fmt.Fprint(os.Stderr, strings.Repeat("x", 1025))
	fmt.Print("\nunfinished")
}

func (checks) Response(*sluice.Response, *sluice.Change) {}

//go:wasmimport wasi_snapshot_preview1 random_get
func randomGetAt(memory unsafe.Pointer, size uint32) uint32

func randomGet() uint32 {
	var bytes [8]byte
	return randomGetAt(unsafe.Pointer(&bytes), 8)
}
