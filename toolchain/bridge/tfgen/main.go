// Command tfgen writes schema.json and bridge-metadata.json of a bridged provider:
//
//	tfgen hcloud|random schema --skip-docs --out FOLDER
//
// One program for both, since linking the bridge costs more than running it.
package main

import (
	"fmt"
	"os"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfgen"

	"clawdlets.dev/bridge/hcloud"
	"clawdlets.dev/bridge/random"
)

func main() {
	if len(os.Args) < 2 {
		fail("the name of a provider is missing: hcloud or random")
	}
	provider := os.Args[1]
	os.Args = append(os.Args[:1], os.Args[2:]...)
	switch provider {
	case "hcloud":
		tfgen.MainWithMuxer(provider, hcloud.Provider(nil))
	case "random":
		tfgen.Main(provider, random.Provider(nil))
	default:
		fail(fmt.Sprintf("unknown provider %q: hcloud or random", provider))
	}
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, "tfgen: "+message)
	os.Exit(1)
}
