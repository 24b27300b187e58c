import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { Host, type HostArgs } from "./host.ts";
import { clawdletsCommand, doNothing } from "./internal/clawdlets-command.ts";

/** One host of a group. */
export interface GroupMember {
  /** Its place in the order of creation, 1, 2, 3, …; never used twice. */
  slot: number;
  /** What to create; undefined for a host whose name is drawn in this run. */
  host?: HostArgs;
}

/** Hosts of the same settings, from {@link loadGroup}. EACH COSTS MONEY from its creation. */
export interface HostGroupArgs {
  /** The name that the group was loaded with, and that the component must have, too: `reap` finds its hosts by it. */
  group: string;
  /** The hosts to have, oldest first. A host that is no longer in the list is DESTROYED with its disk. */
  members: GroupMember[];
  /** Makes keys, secrets and stack file of a host once its name is drawn. Never called in a preview. */
  make: (slot: number, name: string) => Promise<HostArgs>;
  /** Changes what each host is created with, e.g. to add `firewallRules` or a placement group. @default nothing */
  transform?: (host: HostArgs) => HostArgs;
}

/**
 * Hosts that come and go, each a {@link Host} with a name of its own, drawn by a `random.RandomPet` and kept in the state. Scaling never
 * changes or renames the others. When a host is deleted, `clawdlets forget` closes what it left open, removes its device from the
 * tailnet, and moves its keys to `.clawdlets/gone`. A preview shows hosts without a name so far under a placeholder.
 */
export class HostGroup extends pulumi.ComponentResource {
  /** The hosts' names, oldest first. */
  readonly names: pulumi.Output<string[]>;
  /** Where each host is reached without a tailnet, by name: {@link Host.address}. */
  readonly addresses: pulumi.Output<Record<string, string>>;

  constructor(name: string, args: HostGroupArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("clawdlets:index:HostGroup", sameAs(args.group, name), {}, opts);
    const { transform = (each: HostArgs) => each } = args;
    const places = args.members.map((member) => this.#place(name, member));
    const create = (known: HostArgs, parent: pulumi.Resource) => {
      const { host } = known.settings;
      return new Host(host, transform(known), { parent }).address.apply((address) => ({ name: host, address }));
    };
    // An update creates and changes none of them while the roster and the state disagree about one.
    const isAgreed = pulumi.all(places.map((each) => each.isAgreed)).apply((all) => all.every((each) => each));
    const drawn = places.filter(({ host }) => host === undefined);
    // All together: their stack files are committed at once, and no host is created while another's files are missing.
    const made = isAgreed
      .apply((is) => pulumi.all(is ? drawn.map(({ pet }) => pet) : []))
      .apply((names) => Promise.all(names.map((each, index) => args.make(drawn[index]?.slot ?? 0, each))))
      .apply((all) => new Map(all.map((each, index) => [drawn[index]?.slot, each])));
    const createdOf = ({ slot, host, parent }: (typeof places)[number]): pulumi.Output<Created | undefined> => {
      // A preview knows no name that the state does not have yet, and shows the host all the same.
      if (host && pulumi.runtime.isDryRun()) return create(host, parent);
      if (host) return isAgreed.apply((is) => (is ? create(host, parent) : pulumi.output(undefined)));
      return made.apply((all) => {
        const known = all.get(slot);
        return known ? create(known, parent) : pulumi.output(undefined);
      });
    };
    const hosts = pulumi.all(places.map(createdOf)).apply((all) => all.flatMap((each) => each ?? []));
    this.names = hosts.apply((all) => all.map((each) => each.name));
    this.addresses = hosts.apply((all) => Object.fromEntries(all.map((each) => [each.name, each.address])));
    this.registerOutputs({ names: this.names, addresses: this.addresses });
  }

  /** A host's name in the state, and what runs once it is deleted. */
  #place(group: string, { slot, host }: GroupMember) {
    const { id: pet } = new random.RandomPet(`${group}-${slot}`, { prefix: group, length: 2 }, { parent: this });
    // The parent of the host: the engine deletes it, and runs its command, after everything else of the host.
    const parent = new command.local.Command(
      `${group}-${slot}-leaving`,
      {
        create: doNothing,
        update: doNothing,
        delete: pet.apply((name) => clawdletsCommand(`forget --host ${name}`)),
        logging: command.local.Logging.Stderr,
      },
      { parent: this },
    );
    // In a preview, a host whose name is not drawn has a placeholder.
    const known = [undefined, `${group}-new-${slot}`].includes(host?.settings.host) ? undefined : host?.settings.host;
    const problem = pet.apply((name) =>
      known === undefined || known === name ? undefined : disagreement(group, slot, name, known),
    );
    // On its own, so that the program fails with this sentence alone.
    problem.apply((text) => {
      if (text !== undefined) throw new pulumi.RunError(text);
    });
    return { slot, host, pet, parent, isAgreed: problem.apply((text) => text === undefined) };
  }
}

/** @throws pulumi.RunError before anything is registered */
function sameAs(group: string, name: string): string {
  if (name === group) return name;
  throw new pulumi.RunError(
    `HostGroup "${name}": it was loaded as "${group}", whose hosts "clawdlets reap" would not find under this name. Use one name in both places: new HostGroup("${group}", await loadGroup("${group}", …)).`,
  );
}

/** A host that is in the state, or will be. */
interface Created {
  name: string;
  address: string;
}

/** The state was lost, or the roster is of another state, or another machine has reaped the group. */
const disagreement = (group: string, slot: number, drawn: string, known: string): string =>
  `HostGroup "${group}": host ${slot} is "${known}" in stacks/groups/${group}.json, but "${drawn}" in the state. No host of the group was created or changed. Pull what others have committed; if that is not it, restore the file or the state, whichever is older.`;
