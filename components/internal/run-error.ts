import * as pulumi from "@pulumi/pulumi";
import { asUserError } from "../../core/base/system-errors.ts";

/**
 * For `catch`: a person's error ends the program with its message alone. Pulumi shows anything else as an unhandled exception, with a
 * stack that says a team nothing.
 * @throws pulumi.RunError, or the error itself where it is a bug
 */
export function withoutStack(error: unknown): never {
  const known = asUserError(error);
  throw known ? new pulumi.RunError(known.message) : error;
}
