/** The quota of one project: a bucket of `limit` tokens that fills at limit/3600 a second. Bursts are allowed. */
export class RateLimit {
  readonly #limit: number;
  readonly #now: () => number;
  #tokens: number;
  #at: number;

  constructor(limitPerHour: number, now: () => number = Date.now) {
    this.#limit = limitPerHour;
    this.#now = now;
    this.#tokens = limitPerHour;
    this.#at = now();
  }

  /** Takes one token. @returns false where there was none. */
  take(): boolean {
    this.#refill();
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** `RateLimit-Reset` is when the bucket will be full again, in seconds since the epoch. */
  headers(): Record<string, string> {
    this.#refill();
    const missing = this.#limit - this.#tokens;
    const secondsToFull = (missing * 3600) / this.#limit;
    return {
      "RateLimit-Limit": String(this.#limit),
      "RateLimit-Remaining": String(Math.floor(this.#tokens)),
      "RateLimit-Reset": String(Math.ceil(this.#now() / 1000 + secondsToFull)),
    };
  }

  #refill(): void {
    const now = this.#now();
    this.#tokens = Math.min(this.#limit, this.#tokens + ((now - this.#at) / 1000) * (this.#limit / 3600));
    this.#at = now;
  }
}
