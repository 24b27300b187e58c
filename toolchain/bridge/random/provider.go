// Package random describes hashicorp/terraform-provider-random to the Pulumi bridge, as @pulumi/random 4.21.2 has it.
package random

import (
	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/tokens"
	"github.com/terraform-providers/terraform-provider-random/shim"
)

// Version is what `pulumi plugin ls` shows and what @pulumi/random asks for.
const Version = "4.21.2"

// Provider needs the metadata that tfgen wrote for it; tfgen itself passes none.
func Provider(metadata []byte) tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P:            pf.ShimProvider(shim.NewProvider()),
		Name:         "random",
		Version:      Version,
		MetadataInfo: tfbridge.NewProviderMetadata(metadata),
	}
	// random_pet is RandomPet: in most languages the bare names (String, Integer) are taken.
	token := func(module, name string) (string, error) {
		return tokens.MakeStandard("random")(module, "Random"+name)
	}
	info.MustComputeTokens(tokens.SingleModule("random_", "index", token))
	info.MustApplyAutoAliases()
	return info
}
