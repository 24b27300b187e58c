import type * as pulumi from "@pulumi/pulumi";

/**
 * Adopts an existing resource by its id (Pulumi import). The engine refuses if inputs differ from what it reads, so for this one run
 * none is compared; the next run applies the differences in place.
 */
export function adopting(id: number | undefined): pulumi.CustomResourceOptions {
  return id === undefined ? {} : { import: String(id), ignoreChanges: ["*"] };
}
