import type { LimitSeen } from "../../../core/tasks/fleet/admission.ts";

/** Firewalls of an account: Hetzner counts them over all its projects. */
export class SimulatedAccount {
  readonly #limit: number;
  #firewalls = 0;
  mostFirewalls = 0;

  constructor(firewallLimit: number) {
    this.#limit = firewallLimit;
  }

  /** @throws if the limit does not allow one more */
  createFirewall(): void {
    if (this.#firewalls >= this.#limit) throw new Error(`resource_limit_exceeded: ${this.#limit} firewalls`);
    this.#firewalls += 1;
    this.mostFirewalls = Math.max(this.mostFirewalls, this.#firewalls);
  }

  deleteFirewall(): void {
    this.#firewalls -= 1;
  }
}

/** The request limit of a project: a full bucket at the start, refilled evenly within an hour. */
export class SimulatedProject {
  readonly #perHour: number;
  readonly #seconds: () => number;
  #left: number;
  #atSeconds: number;
  answered = 0;
  /** Requests that got a 429. They cost nothing. */
  refused = 0;

  /** @param seconds the time now, in seconds from any start */
  constructor(perHour: number, seconds: () => number) {
    this.#perHour = perHour;
    this.#seconds = seconds;
    this.#left = perHour;
    this.#atSeconds = seconds();
  }

  /** As the RateLimit headers report it. */
  get limit(): LimitSeen {
    this.#refill();
    return { limit: this.#perHour, remaining: Math.floor(this.#left) };
  }

  /** @returns whether it was answered */
  request(): boolean {
    this.#refill();
    if (this.#left < 1) {
      this.refused += 1;
      return false;
    }
    this.#left -= 1;
    this.answered += 1;
    return true;
  }

  #refill(): void {
    const now = this.#seconds();
    this.#left = Math.min(this.#perHour, this.#left + ((now - this.#atSeconds) * this.#perHour) / 3600);
    this.#atSeconds = now;
  }
}
