package local

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// run executes the command and keeps what it wrote. A command that fails leaves the outputs as they were.
func (s *State) run(ctx context.Context, command *string) error {
	if command == nil {
		return nil
	}
	shell := []string{"/bin/sh", "-c"}
	if s.Interpreter != nil && len(*s.Interpreter) > 0 {
		shell = *s.Interpreter
	}
	cmd := exec.Command(shell[0], append(shell[1:len(shell):len(shell)], *command)...)
	cmd.Env = s.environment()
	if s.Dir != nil {
		cmd.Dir = *s.Dir
	}
	if s.Stdin != nil && *s.Stdin != "" {
		cmd.Stdin = strings.NewReader(*s.Stdin)
	}

	var stdout, stderr bytes.Buffer
	var both lockedBuffer
	logRead, logWrite := io.Pipe()
	cmd.Stdout = io.MultiWriter(s.writers(logStdout, &stdout, &both, logWrite)...)
	cmd.Stderr = io.MultiWriter(s.writers(logStderr, &stderr, &both, logWrite)...)
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		streamLines(ctx, logRead)
	}()
	err := runGroup(ctx, cmd)
	// A pipe in memory: closing it never fails.
	_ = logWrite.Close()
	<-logged
	if err != nil {
		return fmt.Errorf("%w: running %q:\n%s", err, *command, both.text())
	}
	s.Stdout, s.Stderr = output(stdout), output(stderr)
	return nil
}

func (s *State) writers(stream Logging, own, both, log io.Writer) []io.Writer {
	if s.shows(stream) {
		return []io.Writer{own, both, log}
	}
	return []io.Writer{own, both}
}

// environment is the engine's, then the resource's, then what the last run wrote.
func (s *State) environment() []string {
	env := os.Environ()
	if s.Environment != nil {
		for name, value := range *s.Environment {
			env = append(env, name+"="+value)
		}
	}
	if s.AddPreviousOutputInEnv != nil && !*s.AddPreviousOutputInEnv {
		return env
	}
	if s.Stdout != "" {
		env = append(env, "PULUMI_COMMAND_STDOUT="+s.Stdout)
	}
	if s.Stderr != "" {
		env = append(env, "PULUMI_COMMAND_STDERR="+s.Stderr)
	}
	return env
}

// output drops one newline at the end, as a shell's $( ) nearly does, and bytes that gRPC would refuse.
func output(from bytes.Buffer) string {
	return strings.ToValidUTF8(strings.TrimSuffix(from.String(), "\n"), "\uFFFD")
}

// lockedBuffer takes both streams, which are copied by a goroutine each, in the order they came.
type lockedBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(data []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(data)
}

func (b *lockedBuffer) text() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return strings.ToValidUTF8(b.buffer.String(), "\uFFFD")
}
