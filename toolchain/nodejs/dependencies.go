package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/nodejs/npm"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// InstallDependencies runs `npm install`, whose output the engine shows.
func (h *host) InstallDependencies(
	req *pulumirpc.InstallDependenciesRequest, server pulumirpc.LanguageRuntime_InstallDependenciesServer,
) error {
	streams, stdout, stderr, err := rpcutil.MakeInstallDependenciesStreams(server, req.IsTerminal)
	if err != nil {
		return err
	}
	manager, err := npm.ResolvePackageManager(npm.NpmPackageManager, req.Info.ProgramDirectory)
	if err != nil {
		return err
	}
	// As the official host has it: without development packages where the project asks for that.
	production, _ := req.Info.GetOptions().AsMap()["production"].(bool)
	if err := manager.Install(server.Context(), req.Info.ProgramDirectory, production, stdout, stderr); err != nil {
		return fmt.Errorf("%s install in %s: %w", manager.Name(), req.Info.ProgramDirectory, err)
	}
	return streams.Close()
}

// GetProgramDependencies lists what the lock file pins, for `pulumi about`.
func (h *host) GetProgramDependencies(
	ctx context.Context, req *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	manager, err := npm.ResolvePackageManager(npm.NpmPackageManager, req.Info.ProgramDirectory)
	if err != nil {
		return nil, err
	}
	packages, err := manager.ListPackages(ctx, req.Info.ProgramDirectory, req.TransitiveDependencies)
	if err != nil {
		return nil, err
	}
	answer := &pulumirpc.GetProgramDependenciesResponse{}
	for _, found := range packages {
		answer.Dependencies = append(answer.Dependencies,
			&pulumirpc.DependencyInfo{Name: found.Name, Version: found.Version})
	}
	return answer, nil
}

// About names the Node that programs run on.
func (h *host) About(ctx context.Context, _ *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	binary, err := exec.LookPath("node")
	if err != nil {
		return nil, err
	}
	version, err := exec.CommandContext(ctx, binary, "--version").Output()
	if err != nil {
		return nil, err
	}
	return &pulumirpc.AboutResponse{
		Executable: binary,
		Version:    strings.TrimSpace(string(version)),
		Metadata:   map[string]string{"languageHost": "clawdlets stand-in", "packagemanager": "npm"},
	}, nil
}
