// Command command is a stand-in for pulumi-resource-command 1.2.1, for machines that cannot download the official
// one. It has local.Command and nothing else; ../README.md says what it promises.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/middleware/schema"

	"clawdlets.dev/toolchain/command/local"
)

const version = "1.2.1"

func main() {
	local.EndChildrenOnSignals()
	if err := p.RunProvider(context.Background(), "command", version, provider()); err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-command (stand-in):", err)
		os.Exit(1)
	}
}

func provider() p.Provider {
	provider := infer.Provider(infer.Options{
		Metadata: schema.Metadata{
			DisplayName: "Command (clawdlets stand-in)",
			Description: "local.Command as @pulumi/command 1.2.1 has it. Not the official provider.",
		},
		Resources: []infer.InferredResource{infer.Resource(&local.Command{})},
	})
	return refuseTheRest(provider)
}

// refuseTheRest answers for what the official provider has and this one has not, so that nobody takes the answer
// "unknown type" for a fault of his program.
func refuseTheRest(provider p.Provider) p.Provider {
	check, invoke := provider.Check, provider.Invoke
	provider.Check = func(ctx context.Context, req p.CheckRequest) (p.CheckResponse, error) {
		if token := string(req.Urn.Type()); token != "command:local:Command" {
			return p.CheckResponse{}, missing(token)
		}
		for _, property := range []string{"assetPaths", "archivePaths"} {
			if _, has := req.Inputs.GetOk(property); has {
				return p.CheckResponse{}, missing(property)
			}
		}
		return check(ctx, req)
	}
	provider.Invoke = func(ctx context.Context, req p.InvokeRequest) (p.InvokeResponse, error) {
		if token := string(req.Token); strings.HasPrefix(token, "command:") {
			return p.InvokeResponse{}, missing(token)
		}
		return invoke(ctx, req)
	}
	return provider
}

func missing(what string) error {
	return fmt.Errorf("%s is not in clawdlets' stand-in for pulumi-resource-command, which has local.Command without "+
		"assets only; install the official plugin: pulumi plugin install resource command %s", what, version)
}
