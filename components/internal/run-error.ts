import * as pulumi from "@pulumi/pulumi";
import { asUserError } from "../../core/base/system-errors.ts";

/**
 * For `catch`: ends the program with only the message of a user error. Pulumi shows any other error as an unhandled exception with a
 * stack trace.
 * @throws pulumi.RunError, or the error itself if it is a bug
 */
export function withoutStack(error: unknown): never {
  const known = asUserError(error);
  throw known ? new pulumi.RunError(known.message) : error;
}
