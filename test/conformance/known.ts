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

/** These tests of 1.68.0 describe the API as it was before the change. */
const beforeUnassigned =
  "expects `server` as the type of an assignee that is not there; since 2026-08-01 it is `unassigned`";

/** Tests that fail here, and why that is meant. */
export const knownToFail: Readonly<Record<string, string>> = {
  TestAccServerResource_PrivateNetworkBastion:
    "logs in through a bastion on port 22, over a private network; the emulator has neither",
  TestAccPrimaryIPDataSource: beforeUnassigned,
  TestAccPrimaryIPDataSourceList: beforeUnassigned,
  TestAccPrimaryIPResource: beforeUnassigned,
  TestAccPrimaryIPResource_AssigneeIDRegression: beforeUnassigned,
  TestAccPrimaryIPResource_WithServer: beforeUnassigned,
};
