// Package ids holds what the bridged providers need for their ids.
package ids

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
)

// Strings maps every id to a string: the engine knows no other type of id, some resources have a number.
func Strings(info *tfbridge.ProviderInfo) {
	info.P.ResourcesMap().Range(func(name string, resource shim.Resource) bool {
		id, has := resource.Schema().GetOk("id")
		if !has || id.Type() == shim.TypeString {
			return true
		}
		if info.Resources == nil {
			info.Resources = map[string]*tfbridge.ResourceInfo{}
		}
		if info.Resources[name] == nil {
			info.Resources[name] = &tfbridge.ResourceInfo{}
		}
		if info.Resources[name].Fields == nil {
			info.Resources[name].Fields = map[string]*tfbridge.SchemaInfo{}
		}
		info.Resources[name].Fields["id"] = &tfbridge.SchemaInfo{Type: "string"}
		return true
	})
}
