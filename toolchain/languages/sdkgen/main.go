// Command sdkgen writes the SDK of a component package for one language, as `pulumi package gen-sdk` does with that
// language's host. For tests, on machines without those hosts.
//
//	sdkgen schema.json go|python folder
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	golang "github.com/pulumi/pulumi/pkg/v3/codegen/go"
	"github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: sdkgen schema.json go|python folder")
		os.Exit(2)
	}
	if err := generate(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "sdkgen:", err)
		os.Exit(1)
	}
}

func generate(file, language, folder string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var spec schema.PackageSpec
	if err := json.Unmarshal(text, &spec); err != nil {
		return err
	}
	// Unlike ImportSpec, this validates the schema against Pulumi's own.
	pkg, diagnostics, err := schema.BindSpec(spec, noPackages{}, schema.ValidationOptions{})
	if err != nil {
		return err
	}
	if diagnostics.HasErrors() {
		return diagnostics
	}
	files, err := sources(pkg, language)
	if err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// noPackages is a loader that knows no package, because the schema refers to none.
type noPackages struct{ schema.Loader }

func (noPackages) LoadPackageV2(_ context.Context, descriptor *schema.PackageDescriptor) (*schema.Package, error) {
	return nil, fmt.Errorf("the schema refers to the package %s; sdkgen loads none", descriptor.Name)
}

func sources(pkg *schema.Package, language string) (map[string][]byte, error) {
	switch language {
	case "go":
		return golang.GeneratePackage("sdkgen", pkg, nil)
	case "python":
		return python.GeneratePackage("sdkgen", pkg, nil, nil)
	default:
		return nil, fmt.Errorf("unknown language %q: go or python", language)
	}
}
