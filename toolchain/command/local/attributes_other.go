//go:build !linux

package local

import "syscall"

// groupAttributes: a group of its own. Only Linux can tell the child that its parent died.
func groupAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
