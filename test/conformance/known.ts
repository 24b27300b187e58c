/** The provider's packages whose acceptance tests concern what is emulated. */
export const packages = [
  "firewall",
  "image",
  "location",
  "network",
  "placementgroup",
  "primaryip",
  "server",
  "servertype",
  "snapshot",
  "sshkey",
  "volume",
] as const;

/** Tests that the provider's suite cannot do here, whatever the emulator answers. */
export const leftOut: Readonly<Record<string, string>> = {
  TestAccServerResource_RemoveDatacenter: "downloads an older release of the provider from a registry",
  TestAccPrimaryIPResource_RemoveDatacenter: "downloads an older release of the provider from a registry",
};

/** Tests that fail here, and why that is meant. */
export const knownToFail: Readonly<Record<string, string>> = {};
