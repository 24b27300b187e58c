package local

import "syscall"

// groupAttributes: a group of its own, and SIGTERM when the plugin dies without a chance to send it (kill -9).
func groupAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
