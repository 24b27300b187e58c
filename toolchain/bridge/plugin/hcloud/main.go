// Command hcloud is pulumi-resource-hcloud. Both embedded files are written by tfgen during the build and laid over
// this folder (go build -overlay), so that nothing generated is in the repository.
package main

import (
	"context"
	_ "embed"

	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"

	"clawdlets.dev/bridge/hcloud"
)

//go:embed schema.json
var schema []byte

//go:embed bridge-metadata.json
var metadata []byte

func main() {
	pf.MainWithMuxer(context.Background(), "hcloud", hcloud.Provider(metadata), schema)
}
