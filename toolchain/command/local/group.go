package local

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// errCancelled takes the place of "signal: terminated", which says what, but not why.
var errCancelled = errors.New("cancelled; the command and all it started were told to end")

// living holds the process groups that run now, by the id of their leader.
var living struct {
	sync.Mutex
	groups map[int]struct{}
}

// runGroup runs the command in a process group of its own. When the context ends (the engine's Cancel, a custom
// timeout), the whole group gets SIGTERM, time to tidy up, then SIGKILL. The official plugin kills the shell alone
// and at once, which leaves its children behind.
func runGroup(ctx context.Context, cmd *exec.Cmd) error {
	// The kernel sends the death signal when the *thread* that forked ends, so this one stays until the child is gone.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = groupAttributes()
	if err := ctx.Err(); err != nil {
		return errCancelled
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	leader := cmd.Process.Pid
	remember(leader)
	defer forget(leader)

	ended := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-ended:
		case <-ctx.Done():
			endGroup(leader, ended)
		}
	}()
	err := cmd.Wait()
	close(ended)
	<-stopped
	if ctx.Err() != nil {
		return errors.Join(errCancelled, err)
	}
	return err
}

// endGroup returns when the command has ended, or right after it was killed.
func endGroup(leader int, ended <-chan struct{}) {
	signalGroup(leader, syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(grace()):
	}
	// Also after a good end of the leader: a grandchild that closed its output may have stayed.
	signalGroup(leader, syscall.SIGKILL)
}

// grace is long enough to close an install window over a slow API, and short of the patience at a Ctrl-C.
func grace() time.Duration {
	if seconds, err := strconv.Atoi(os.Getenv("CLAWDLETS_CANCEL_GRACE_SECONDS")); err == nil && seconds >= 0 {
		return time.Duration(seconds) * time.Second
	}
	return 20 * time.Second
}

// EndChildrenOnSignals covers the ways the plugin is told to end without a Cancel: the engine interrupts it when it
// closes, and the children are in groups of their own, out of reach of that signal.
func EndChildrenOnSignals() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		living.Lock()
		for leader := range living.groups {
			signalGroup(leader, syscall.SIGTERM)
		}
		living.Unlock()
		os.Exit(1)
	}()
}

func signalGroup(leader int, with syscall.Signal) {
	// A group that is gone already (ESRCH) is what was wanted.
	_ = syscall.Kill(-leader, with)
}

func remember(leader int) {
	living.Lock()
	defer living.Unlock()
	if living.groups == nil {
		living.groups = map[int]struct{}{}
	}
	living.groups[leader] = struct{}{}
}

func forget(leader int) {
	living.Lock()
	defer living.Unlock()
	delete(living.groups, leader)
}
