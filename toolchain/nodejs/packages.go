package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// GetRequiredPackages lists the provider plugins that the installed SDK packages name in package.json, so that the
// engine can install what is missing before the program runs.
func (h *host) GetRequiredPackages(
	_ context.Context, req *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	answer := &pulumirpc.GetRequiredPackagesResponse{}
	// Node looks for packages in the program's folder and in all above it; so does this.
	for folder := req.Info.ProgramDirectory; ; folder = filepath.Dir(folder) {
		found, err := packagesIn(filepath.Join(folder, "node_modules"))
		if err != nil {
			return nil, err
		}
		answer.Packages = append(answer.Packages, found...)
		if folder == filepath.Dir(folder) {
			return answer, nil
		}
	}
}

// packagesIn reads every package of one node_modules folder, scoped or not, and of those nested in it.
func packagesIn(folder string) ([]*pulumirpc.PackageDependency, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var packages []*pulumirpc.PackageDependency
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		var found []*pulumirpc.PackageDependency
		switch {
		case strings.HasPrefix(entry.Name(), "."):
			continue
		case strings.HasPrefix(entry.Name(), "@"):
			found, err = packagesIn(path)
		default:
			found, err = packageAt(path)
		}
		if err != nil {
			return nil, err
		}
		packages = append(packages, found...)
	}
	return packages, nil
}

func packageAt(folder string) ([]*pulumirpc.PackageDependency, error) {
	packages, err := packagesIn(filepath.Join(folder, "node_modules"))
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(folder, "package.json"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return packages, nil
	}
	if err != nil {
		return nil, err
	}
	var manifest struct {
		Name    string                  `json:"name"`
		Version string                  `json:"version"`
		Pulumi  plugin.PulumiPluginJSON `json:"pulumi"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		// Packages carry broken manifests as test data; a plugin's is never one of them.
		return packages, nil
	}
	if !manifest.Pulumi.Resource {
		return packages, nil
	}
	name, version := manifest.Pulumi.Name, manifest.Pulumi.Version
	if name == "" {
		var official bool
		if name, official = strings.CutPrefix(manifest.Name, "@pulumi/"); !official {
			return nil, fmt.Errorf("%s: package.json names no plugin (pulumi.name)", folder)
		}
	}
	if version == "" {
		version = manifest.Version
	}
	return append(packages, &pulumirpc.PackageDependency{
		Name:    name,
		Kind:    "resource",
		Version: "v" + strings.TrimPrefix(version, "v"),
		Server:  manifest.Pulumi.Server,
	}), nil
}
