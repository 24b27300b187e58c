import * as pulumi from "@pulumi/pulumi";

/** Runs right before something is bought. Any error stops the creation. */
export type BeforeCreate = () => Promise<void>;

/**
 * Hooks around everything that is bought for a host. `check` runs once before the engine creates the first resource, and never in an
 * update without changes, since it may cost requests. If Hetzner reports that a name is taken, as after a run that was killed
 * right after its request, the error says how to adopt the resource.
 */
export function buyingHooks(
  name: string,
  host: string,
  check: BeforeCreate | undefined,
  hasChoice: boolean,
): pulumi.ResourceHookBinding {
  const explained = (what: string, code: string, advice: string) =>
    new pulumi.ErrorHook(`${name}-${what}`, async ({ errors, failedOperation }) => {
      if (failedOperation === "create" && errors.some((error) => error.includes(code)))
        await pulumi.log.error(`${host}: ${advice}`);
      return false; // Hetzner would refuse it again.
    });
  const onError = [
    explained("taken", "uniqueness_error", takenAdvice(host)),
    explained("sold-out", "resource_unavailable", soldOutAdvice(host, hasChoice)),
  ];
  if (!check) return { onError };
  let running: Promise<void> | undefined;
  return {
    beforeCreate: [
      async () => {
        running ??= sayIfSlow(host, check());
        await running;
      },
    ],
    onError,
  };
}

/** Evaluating the flake takes minutes where nix has to fetch nixpkgs first. */
export async function sayIfSlow(host: string, checking: Promise<void>): Promise<void> {
  const timer = setTimeout(() => {
    const what = "keys, secrets, what Hetzner sells, and the flake, for which nix may fetch nixpkgs first";
    void pulumi.log.info(`${host}: still checking before anything is bought: ${what}`);
  }, 15_000);
  try {
    await checking;
  } finally {
    clearTimeout(timer);
  }
}

const takenAdvice = (host: string) =>
  `Hetzner already has a resource of this name. If an interrupted run created it, adopt it: clawdlets up --host ${host}. Otherwise choose another name.`;

/** Seen as `error during placement`: the type was in stock when the run began, and no longer when the server was requested. */
const soldOutAdvice = (host: string, hasChoice: boolean) =>
  hasChoice
    ? `Hetzner had no room for the server, although its type was in stock when this run began. No server was created. Run the same command again: it chooses another location or type if one is left (clawdlets up --host ${host}).`
    : `Hetzner had no room for the server. No server was created. Set clawdlets:location to a list, e.g. [nbg1, fsn1, hel1], or choose another clawdlets:serverType, then run the same command again: clawdlets up --host ${host}`;
