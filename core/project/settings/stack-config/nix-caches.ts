import { z } from "zod";
import { matching, withoutLogin } from "../names.ts";
import { plainHttpsUrl, publicList, urlPath } from "./fields.ts";

/** A binary cache. */
export const substituter = withoutLogin(
  matching(
    new RegExp(`^${plainHttpsUrl}${urlPath}*\\/?$`),
    "allowed: an https URL without user, password or query, e.g. https://nix-community.cachix.org",
  ),
);

/** An Ed25519 public key has 32 bytes, so 43 characters of base64. */
const nixPublicKey = /^[\w.@+-]{1,100}:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;

/** Checked as a whole list, because its items must not be shown: a nix secret key looks the same, only longer. */
export const nixPublicKeys = publicList(
  z.string("allowed: a nix public key, name:base64="),
  "nix public keys",
).superRefine((keys, context) => {
  const wrong = keys.findIndex((key) => !nixPublicKey.test(key));
  if (wrong < 0) return;
  const message = `number ${wrong + 1} in it is not a nix public key (not shown, because it may be a secret key); allowed: name:, 43 characters of base64 and "="`;
  context.addIssue({ code: "custom", message });
});
