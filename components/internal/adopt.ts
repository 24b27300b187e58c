import type * as pulumi from "@pulumi/pulumi";

/**
 * Takes over what is there under its id. The engine refuses to where inputs differ from what it reads, so for this one run none
 * is compared; the next applies the differences, in place.
 */
export function adopting(id: number | undefined): pulumi.CustomResourceOptions {
  return id === undefined ? {} : { import: String(id), ignoreChanges: ["*"] };
}
