import * as pulumi from "@pulumi/pulumi";

/**
 * The state keeps for each resource where in the program it was made. The library takes the place from a stack, and for an ES
 * module writes the whole path of this machine into it (`project:///file:/home/…`, seen in 3.259.0), so that the state tells
 * others about this machine and differs from one operator to the next. Nothing here reads it: it is left out.
 */
Object.defineProperty(pulumi.Resource, "stackTrace", { value: () => [] });
