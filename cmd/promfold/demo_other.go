//go:build unix && !linux

package main

import "syscall"

// dieWithParent is left to the workers, whose stdin ends with the parent.
func dieWithParent() *syscall.SysProcAttr { return nil }

// sharedMemory is "": the demo runs on disk.
func sharedMemory() string { return "" }
