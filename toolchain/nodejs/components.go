package main

import (
	"errors"
	"os"
	"os/exec"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// runComponents runs a component package (PulumiPlugin.yaml) until the engine has no more use for it.
func runComponents(req *pulumirpc.RunPluginRequest, server pulumirpc.LanguageRuntime_RunPluginServer) error {
	streams, stdout, stderr, err := rpcutil.MakeRunPluginStreams(server, false)
	if err != nil {
		return err
	}
	options, err := readOptions(req.Info)
	if err != nil {
		return err
	}
	folder := req.Info.ProgramDirectory
	binary, script, err := node(folder, "@pulumi/pulumi/cmd/run-plugin")
	if err != nil {
		return err
	}
	args := append(append(options.nodeArgs, script, folder), req.Args...)
	cmd := exec.CommandContext(server.Context(), binary, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	// The program's folder: components read the files of the project that uses them.
	cmd.Dir = req.Pwd
	cmd.Env = append(req.Env, options.env...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	if err := streams.Close(); err != nil {
		return err
	}
	code := int32(cmd.ProcessState.ExitCode())
	return server.Send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Exitcode{Exitcode: code}})
}
