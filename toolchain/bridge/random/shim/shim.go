// Package shim is the door to a provider that sits in an internal folder: Go lets a package in there be imported
// only from below the same path, and by the name of this module (see `replace` in go.mod) this one is.
package shim

import (
	"github.com/hashicorp/terraform-plugin-framework/provider"
	internal "github.com/terraform-providers/terraform-provider-random/internal/provider"
)

// NewProvider is the random provider as its own main function serves it.
func NewProvider() provider.Provider { return internal.New() }
