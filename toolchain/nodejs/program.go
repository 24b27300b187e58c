package main

import (
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// @pulumi/pulumi ends with this code when it has told the reason itself.
const alreadyTold = 32

//go:embed plain-errors.mjs
var plainErrors string

// Run executes the program. It talks to the engine's monitor itself: no proxy in between, which only calls made
// synchronously by very old SDKs would need, and resource hooks go the straight way.
func (h *host) Run(ctx context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	cmd, err := h.program(ctx, req)
	if err != nil {
		return &pulumirpc.RunResponse{Error: err.Error()}, nil
	}
	err = cmd.Run()
	flushStreams()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}, nil
	case errors.As(err, &exit) && exit.ExitCode() == alreadyTold:
		return &pulumirpc.RunResponse{Bail: true}, nil
	case errors.As(err, &exit):
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the program ended with %s", exit)}, nil
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the program could not be run: %s", err)}, nil
	}
}

func (h *host) program(ctx context.Context, req *pulumirpc.RunRequest) (*exec.Cmd, error) {
	options, err := readOptions(req.Info)
	if err != nil {
		return nil, err
	}
	binary, script, err := node(req.Info.ProgramDirectory, "@pulumi/pulumi/cmd/run")
	if err != nil {
		return nil, err
	}
	env, err := configuration(req)
	if err != nil {
		return nil, err
	}
	preload := "data:text/javascript;base64," + base64.StdEncoding.EncodeToString([]byte(plainErrors))
	args := append([]string{"--import", preload}, append(options.nodeArgs, script)...)
	for _, flag := range []struct{ name, value string }{
		{"monitor", req.GetMonitorAddress()},
		{"engine", h.engine},
		{"organization", req.GetOrganization()},
		{"project", req.GetProject()},
		{"root-directory", req.Info.RootDirectory},
		{"stack", req.GetStack()},
		{"pwd", req.Info.ProgramDirectory},
		{"parallel", strconv.Itoa(int(req.GetParallel()))},
	} {
		if flag.value != "" {
			args = append(args, "--"+flag.name, flag.value)
		}
	}
	if req.GetDryRun() {
		args = append(args, "--dry-run")
	}
	args = append(append(args, req.Info.EntryPoint), req.GetArgs()...)

	// Ends with the request or with Cancel, whichever comes first; Node gets five seconds to close what it has open.
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(h.ctx, cancel)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = append(append(os.Environ(), env...), options.env...)
	// Not the files themselves: Node would set them to non-blocking, for us too.
	cmd.Stdout, cmd.Stderr = struct{ io.Writer }{os.Stdout}, struct{ io.Writer }{os.Stderr}
	return cmd, nil
}

// configuration passes the values in the environment, which other users cannot read, with keys in the form
// <project>:config:<name>, which every version of @pulumi/pulumi reads.
func configuration(req *pulumirpc.RunRequest) ([]string, error) {
	values := map[string]string{}
	for name, value := range req.GetConfig() {
		key, err := config.ParseKey(name)
		if err != nil {
			return nil, err
		}
		values[key.Namespace()+":config:"+key.Name()] = value
	}
	secrets := req.GetConfigSecretKeys()
	if secrets == nil {
		secrets = []string{}
	}
	env := make([]string, 0, 2)
	for name, value := range map[string]any{"PULUMI_CONFIG": values, "PULUMI_CONFIG_SECRET_KEYS": secrets} {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		env = append(env, name+"="+string(text))
	}
	return env, nil
}
