package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"

	sdk "github.com/pulumi/pulumi/sdk/v3"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// RunPlugin runs a policy pack, or a package of components written for Node.
func (h *host) RunPlugin(req *pulumirpc.RunPluginRequest, server pulumirpc.LanguageRuntime_RunPluginServer) error {
	switch req.Kind {
	case string(apitype.AnalyzerPlugin):
		return runPolicyPack(req, server)
	case string(apitype.ResourcePlugin):
		return runComponents(req, server)
	default:
		return fmt.Errorf("clawdlets' stand-in for pulumi-language-nodejs runs programs, policy packs and component "+
			"packages, no %s plugin: install the official Pulumi CLI", req.Kind)
	}
}

func runPolicyPack(req *pulumirpc.RunPluginRequest, server pulumirpc.LanguageRuntime_RunPluginServer) error {
	ctx := server.Context()
	streams, stdout, stderr, err := rpcutil.MakeRunPluginStreams(server, false)
	if err != nil {
		return err
	}
	options, err := readOptions(req.Info)
	if err != nil {
		return err
	}
	folder := req.Info.ProgramDirectory
	binary, script, err := node(folder, "@pulumi/pulumi/cmd/run-policy-pack")
	if err != nil {
		return err
	}
	// The pack reads the stack's name and settings from its environment, the engine tells them by a call that comes
	// before the pack runs: the SDK's proxy takes that call.
	proxy, stdout, err := sdk.NewPolicyProxy(ctx, stdout)
	if err != nil {
		return err
	}
	env, err := stackEnvironment(ctx, proxy)
	if err != nil {
		return err
	}
	// The pack's own options come after the script, where Node no longer sees them: so does the official host.
	args := append([]string{script}, options.nodeArgs...)
	args = append(append(args, req.Args...), folder)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = folder
	cmd.Env = append(append(req.Env, options.env...), env...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := proxy.Attach(ctx, cmd); err != nil {
		return fmt.Errorf("policy pack %s: %w", folder, err)
	}
	return streams.Close()
}

func stackEnvironment(ctx context.Context, proxy *sdk.PolicyProxy) ([]string, error) {
	stack, err := proxy.AwaitConfiguration(ctx)
	if err != nil || stack == nil {
		return nil, err
	}
	values, err := json.Marshal(stack.Config)
	if err != nil {
		return nil, err
	}
	// Not from the official host: without it a pack cannot tell an encrypted setting from one in the clear.
	secretKeys, err := json.Marshal(append([]string{}, stack.ConfigSecretKeys...))
	if err != nil {
		return nil, err
	}
	return []string{
		"PULUMI_CONFIG_SECRET_KEYS=" + string(secretKeys),
		"PULUMI_NODEJS_ORGANIZATION=" + stack.Organization,
		"PULUMI_NODEJS_PROJECT=" + stack.Project,
		"PULUMI_NODEJS_STACK=" + stack.Stack,
		"PULUMI_NODEJS_DRY_RUN=" + strconv.FormatBool(stack.DryRun),
		"PULUMI_CONFIG=" + string(values),
	}, nil
}
