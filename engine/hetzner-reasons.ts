/**
 * What to do about an error of Hetzner's that its provider repeats without advice: the code in parentheses at the end. hcloud-go retries
 * few of the temporary ones, so a run can stop at one of them (hetznercloud/cli#249).
 */
const advice: readonly (readonly [RegExp, string])[] = [
  [
    /\((?:maintenance|unavailable|server_error|service_error|bad_gateway|timeout|locked|conflict|rate_limit_exceeded)\)\s*$/m,
    "Hetzner refused this for now (https://status.hetzner.com). Run the same command again in a few minutes: it continues where it stopped.",
  ],
  [
    // hetznercloud/terraform-provider-hcloud#911: neither its provider nor we may take such a firewall off the server.
    /\(firewall_managed_by_label_selector\)\s*$/m,
    'A firewall reaches the server by a label selector. Remove the selector in Hetzner\'s console (Firewalls, "Apply to"), then run the same command again.',
  ],
];

/** @param reasons the errors that the engine reported */
export const adviceOn = (reasons: readonly string[]): string | undefined =>
  advice.find(([code]) => reasons.some((reason) => code.test(reason)))?.[1];
