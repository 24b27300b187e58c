import * as pulumi from "@pulumi/pulumi";

/**
 * Removes source positions from the state. Pulumi's library takes them from a stack trace, and for an ES module records this machine's
 * absolute path (`project:///file:/home/…`, seen in 3.260.0), which leaks local paths and differs between operators. We do not use
 * them.
 */
Object.defineProperty(pulumi.Resource, "stackTrace", { value: () => [] });
