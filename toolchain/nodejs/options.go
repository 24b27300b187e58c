package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/google/shlex"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// options are the `runtime.options` of Pulumi.yaml and PulumiPolicy.yaml that are honoured.
type options struct {
	nodeArgs []string
	env      []string
}

func readOptions(info *pulumirpc.ProgramInfo) (options, error) {
	read := options{}
	typescript := true
	for name, value := range info.GetOptions().AsMap() {
		var fits bool
		var text string
		switch name {
		case "typescript":
			typescript, fits = value.(bool)
		case "tsconfig":
			text, fits = value.(string)
			read.env = append(read.env, "PULUMI_NODEJS_TSCONFIG_PATH="+text)
		case "nodeargs":
			if text, fits = value.(string); fits {
				var err error
				if read.nodeArgs, err = shlex.Split(text); err != nil {
					return read, fmt.Errorf("runtime option nodeargs: %w", err)
				}
			}
		case "packagemanager":
			// Only dependencies.go asks for it.
			_, fits = value.(string)
		default:
			// Like the official host: options of a newer one are not an error.
			fits = true
		}
		if !fits {
			return read, fmt.Errorf("runtime option %s: %v is of the wrong type", name, value)
		}
	}
	if typescript {
		read.env = append(read.env, "PULUMI_NODEJS_TYPESCRIPT=true")
	}
	return read, nil
}

// node finds Node and, as seen from the program's folder, a script of its @pulumi/pulumi.
func node(folder, script string) (binary, path string, err error) {
	binary, err = exec.LookPath("node")
	if err != nil {
		return "", "", fmt.Errorf("node is not on PATH: install Node 20 or newer")
	}
	if path := installed(folder, script); path != "" {
		return binary, path, nil
	}
	// Elsewhere: NODE_PATH, a loader of a package manager. Node itself takes a twentieth of a second to say so.
	cmd := exec.Command(binary, "-p", "require.resolve(process.argv[1])", script)
	cmd.Dir = folder
	found, err := cmd.Output()
	if err != nil {
		return "", "", fmt.Errorf("@pulumi/pulumi is not installed as seen from %s: run npm ci there", folder)
	}
	return binary, strings.TrimSpace(string(found)), nil
}

// installed is where npm puts a package's folder: in node_modules here or above. Empty if it is not there.
func installed(folder, script string) string {
	for {
		found := filepath.Join(folder, "node_modules", filepath.FromSlash(script), "index.js")
		if path, err := filepath.EvalSymlinks(found); err == nil {
			return path
		}
		if folder == filepath.Dir(folder) {
			return ""
		}
		folder = filepath.Dir(folder)
	}
}

// flushStreams: Node may leave writes behind that the engine must see before the answer.
func flushStreams() {
	for _, stream := range []*os.File{os.Stdout, os.Stderr} {
		// A pipe cannot be synced, and needs not be.
		_ = stream.Sync()
	}
}
