// Package hcloud describes hetznercloud/terraform-provider-hcloud to the Pulumi bridge, so that the tokens, the
// properties and the behaviour are those of @pulumi/hcloud 1.41.0. test/toolchain compares the two.
package hcloud

import (
	"context"

	upstream "github.com/hetznercloud/terraform-provider-hcloud/hcloud"
	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/tokens"
	sdkv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"clawdlets.dev/bridge/ids"
)

// Version is what `pulumi plugin ls` shows and what @pulumi/hcloud asks for.
const Version = "1.41.0"

// Provider needs the metadata that tfgen wrote for it; tfgen itself passes none.
func Provider(metadata []byte) tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P: pf.MuxShimWithPF(context.Background(),
			sdkv2.NewProvider(upstream.Provider()), upstream.NewPluginProvider()),
		Name:         "hcloud",
		GitHubOrg:    "hetznercloud",
		Version:      Version,
		MetadataInfo: tfbridge.NewProviderMetadata(metadata),
		Resources: map[string]*tfbridge.ResourceInfo{
			"hcloud_server": {PreCheckCallback: nameAliasIPs},
		},
	}
	ids.Strings(&info)
	info.MustComputeTokens(tokens.SingleModule("hcloud_", "index", tokens.MakeStandard("hcloud")))
	info.MustApplyAutoAliases()
	// The limit and separator of Pulumi's own build: a resource with no name gets its Pulumi name and a suffix.
	info.SetAutonaming(255, "-")
	return info
}

// nameAliasIPs gives every network of a server an explicit, maybe empty, list of alias addresses. Left out, the
// provider plans a change at every run: hetznercloud/terraform-provider-hcloud#650.
func nameAliasIPs(
	_ context.Context, inputs resource.PropertyMap, _ resource.PropertyMap,
) (resource.PropertyMap, error) {
	if networks := inputs["networks"]; networks.IsArray() {
		for _, network := range networks.ArrayValue() {
			if network.IsObject() && !network.ObjectValue().HasValue("aliasIps") {
				network.ObjectValue()["aliasIps"] = resource.NewProperty([]resource.PropertyValue{})
			}
		}
	}
	return inputs, nil
}
