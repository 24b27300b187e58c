import { z } from "zod";
import { builderKey, buildPlace, parseBuilder } from "../builder.ts";
import { matching } from "../names.ts";
import { flag, wholeNumber } from "./fields.ts";

/** As nix/modules/operator.nix accepts it. */
const githubRepository = matching(
  /^github:[A-Za-z0-9_.-]+\/[A-Za-z0-9_.-]+$/,
  "allowed: github:owner/repo, without a branch or commit",
);
const branchName = matching(
  /^(?!.*(?:\.\.|\/\/|\/$))[A-Za-z0-9_][\w./-]*$/,
  'allowed: the name of a branch, e.g. "main"',
);

/** @see stackConfig `rebuild` */
export const rebuildSettings = z
  .strictObject(
    {
      /** Whether the running host can be changed from here. Takes effect at the next installation. @default `true` */
      enabled: flag.default(true),
      /**
       * Where a new system is built: by the `host`, from `repository`; `local`, by nix on this machine; or by a builder,
       * `ssh://[user@]builder[:port]`. The latter two are signed on this machine and copied to the host. A BUILDER DECIDES WHAT THE HOST
       * RUNS. @default `host`
       */
      buildOn: buildPlace.default("host"),
      /** The ssh host key of the builder, Ed25519; required with one. No key is trusted on first use. */
      builderKey: builderKey.optional(),
      /**
       * How the source gets to a host that builds: `fetch`, by the host from its public `repository`; `send`, by this machine, for private
       * repositories and commits that are not pushed. No token reaches the host. Needs `systemKeys`. @default `fetch`
       */
      source: z.enum(["fetch", "send"], 'allowed: "fetch" or "send"').default("fetch"),
      /** The public repository that the host fetches and builds; `init` writes the project's own. */
      repository: githubRepository.optional(),
      /** The branch whose commits the host accepts. ANYONE WHO CAN PUSH THERE IS ROOT on the host. @default `main` */
      branch: branchName.default("main"),
      /**
       * What `up` does with a running host. `pinned` switches it to the commit in `clawdlets:flake` and sends it the local secrets;
       * without a commit, it leaves the system alone. `newest` switches it to the newest commit of the flake's branch, or to the
       * repository's own commit. `never` leaves updates to `clawdlets rebuild`. @default `pinned`
       */
      onUp: z.enum(["pinned", "newest", "never"], 'allowed: "pinned", "newest" or "never"').default("pinned"),
      /** Seconds within which a host has to be reached after its switch; otherwise it rolls back. 10 to 3600. @default `120` */
      deadline: wholeNumber(10, 3600, "allowed: whole seconds, 10 to 3600").default(120),
      /** Days since the running system was installed or rebuilt after which `verify` warns. 1 to 3650. @default not checked */
      maxAgeDays: wholeNumber(1, 3650, "allowed: a whole number of days, from 1 to 3650").optional(),
    },
    "allowed: an object with enabled, buildOn, builderKey, source, repository, branch, onUp, deadline and maxAgeDays",
  )
  .refine(({ buildOn, builderKey: key }) => parseBuilder(buildOn) === undefined || key !== undefined, {
    message: "required with a builder; no key is trusted on first use",
    path: ["builderKey"],
  })
  .refine(({ buildOn, source }) => source === "fetch" || buildOn === "host", {
    message: 'is "send", but only a host that builds needs the source; remove it, or set buildOn to "host"',
    path: ["source"],
  });
