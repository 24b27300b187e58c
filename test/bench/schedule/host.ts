import type { VirtualClock } from "./clock.ts";
import type { SimulatedAccount, SimulatedProject } from "./hetzner.ts";

export interface World {
  clock: VirtualClock;
  account: SimulatedAccount;
  project: SimulatedProject;
  /** Draws how long Hetzner takes for the next action, in seconds. */
  actionSeconds: () => number;
  installSeconds: number;
}

/** Seconds between two questions, in turn; the last one is repeated. */
type Pauses = readonly number[];

/** Of hcloud-go, which the provider waits with (seen on the emulator): each pause is twice the one before. */
const providerPauses: Pauses = [0.5, 1, 2, 4, 8, 16, 32];
/** Of waitForActions. */
const ourPauses: Pauses = [0.4, 0.68, 1.16, 1.97, 3.34, 5.68, 8];
/** Of p-retry, while a firewall that has just been detached still counts as in use. */
const deletePauses: Pauses = [1.5, 4.5, 13.5];

/** How long a new server's port is tried before Hetzner is asked. */
const portSeconds = 20;

/**
 * The life of a new host from `up` to the proof that it is closed, as requests and waits: the same that one `up` sends to the
 * emulator, in the same order. schedule.test.ts compares both.
 */
export async function createHost(world: World): Promise<void> {
  const { clock, account, installSeconds, actionSeconds } = world;
  const ask = (times = 1) => requests(world, times);

  await ask(); // The server type's price and stock.
  account.createFirewall();
  await ask(2); // Its firewall and its one-time key.
  await pollUntil(world, clock.seconds + actionSeconds(), providerPauses);
  await ask(5); // The firewall, the type, the image and the key are read; the server is created.
  const [creating, starting] = [actionSeconds(), actionSeconds()];
  const created = clock.seconds + creating;
  await pollUntil(world, created, providerPauses);
  await pollUntil(world, created + starting, providerPauses);
  await ask(); // The server is read.

  account.createFirewall();
  await ask(); // The window. The port that opens shows that it is in force; after a while Hetzner is asked.
  const inForce = clock.seconds + actionSeconds();
  await clock.wait(Math.min(portSeconds, inForce - clock.seconds));
  if (clock.seconds < inForce) await pollUntil(world, inForce, ourPauses);
  await clock.wait(installSeconds);

  await ask(); // The rules go.
  const rulesGone = clock.seconds + actionSeconds();
  await clock.wait(0.5);
  await ask(); // Detached, or refused because it is locked.
  let detaching = clock.seconds + actionSeconds();
  const isSlow = clock.seconds < rulesGone;
  if (isSlow) {
    await pollUntil(world, rulesGone, ourPauses);
    await ask();
    detaching = clock.seconds + actionSeconds();
    await pollUntil(world, detaching, ourPauses);
  } else await clock.wait(1);
  // Hetzner goes on to call it in use for about as long as an action takes.
  const free = isSlow ? detaching + actionSeconds() : detaching;
  await ask();
  for (const pause of deletePauses) {
    if (clock.seconds >= free) break;
    await clock.wait(pause);
    await ask();
  }
  account.deleteFirewall();
  await ask(2); // The proof reads the server and its firewalls, and connects.
}

async function pollUntil(world: World, end: number, pauses: Pauses): Promise<void> {
  for (let polls = 0; polls === 0 || world.clock.seconds < end; polls += 1) {
    await world.clock.wait(pauses[Math.min(polls, pauses.length - 1)] ?? 0);
    await requests(world, 1);
  }
}

/** A refused request is sent again a second later, as the provider does. */
async function requests({ clock, project }: World, times: number): Promise<void> {
  for (let left = times; left > 0; ) {
    if (project.request()) left -= 1;
    else await clock.wait(1);
  }
}
