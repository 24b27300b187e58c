// Command random is pulumi-resource-random; for the embedded files see ../hcloud.
package main

import (
	"context"
	_ "embed"

	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"

	"clawdlets.dev/bridge/random"
)

//go:embed schema.json
var schema []byte

//go:embed bridge-metadata.json
var metadata []byte

func main() {
	pf.Main(context.Background(), "random", random.Provider(metadata),
		pf.ProviderMetadata{PackageSchema: schema})
}
