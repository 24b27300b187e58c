import { matching, withoutLogin } from "../names.ts";
import { plainHttpsUrl } from "./fields.ts";

/** @see stackConfig `tailnet` */
export const tailnets = ["tailscale", "headscale", "none"] as const;
export type TailnetKind = (typeof tailnets)[number];

/** The address of a control server. */
export const loginServer = withoutLogin(
  matching(
    new RegExp(`^${plainHttpsUrl}(?:\\/[\\w-]+)*\\/?$`),
    "allowed: an https URL without user, password or query, e.g. https://headscale.example.com",
  ),
);

/** As Tailscale and headscale name them. */
export const tailnetTag = matching(/^tag:[A-Za-z][A-Za-z0-9-]{0,62}$/, "allowed: tag: and a name, e.g. tag:bot-host");
