import { systemClock, type Clock } from '../clock.js';
import { parseDuration, type Duration } from '../duration.js';
import type { PasswordFunction, PasswordTarget } from './settings.js';

export interface CachedPasswordOptions {
  /** How long a password serves from when it was asked for: an RDS IAM token `'15m'`. */
  readonly ttl: Duration;
  /** At which age the next one is fetched, while the former serves on; two thirds of `ttl` unless given. */
  readonly refresh?: Duration;
  readonly clock?: Clock;
}

/** A fetch that takes longer is not waited for by those who ask from then on: they begin another. */
const FETCH_PATIENCE_MS = 10_000;

/**
 * A password function that asks `fetch` now and then instead of for each connection. Connections to one server share a
 * fetch; it is renewed ahead of its end, and where that fails the former password serves while it is valid. One that
 * the server refuses is fetched anew for the next connection.
 *
 * @throws RangeError for a `ttl` or `refresh` that is no duration, or a `refresh` beyond `ttl`.
 */
export function cachedPassword(
  fetch: (target: PasswordTarget) => string | Promise<string>,
  { ttl, refresh, clock = systemClock }: CachedPasswordOptions,
): PasswordFunction {
  const ttlMs = parseDuration(ttl) ?? Number.NaN;
  const refreshMs = refresh === undefined ? (ttlMs * 2) / 3 : (parseDuration(refresh) ?? Number.NaN);
  if (!(ttlMs > 0 && refreshMs <= ttlMs))
    throw new RangeError("cachedPassword: expected durations like { ttl: '15m', refresh: '10m' }");
  const cached = new Map<string, CachedText>();
  const of = (target: PasswordTarget) => {
    const name = `${target.user}@${target.host}:${target.port}`;
    const found = cached.get(name) ?? new CachedText(async () => fetch(target), { ttlMs, refreshMs, clock });
    cached.set(name, found);
    return found;
  };
  return Object.assign((target: PasswordTarget) => of(target).get(), {
    forget: (target: PasswordTarget) => of(target).forget(),
  });
}

interface Lifetime {
  readonly ttlMs: number;
  readonly refreshMs: number;
  readonly clock: Clock;
}

class CachedText {
  readonly #fetch: () => Promise<string>;
  readonly #lifetime: Lifetime;
  #held: { readonly text: string; readonly at: number } | undefined;
  #fetching: { readonly done: Promise<string>; readonly at: number } | undefined;

  constructor(fetch: () => Promise<string>, lifetime: Lifetime) {
    this.#fetch = fetch;
    this.#lifetime = lifetime;
  }

  get(): Promise<string> {
    const { ttlMs, refreshMs, clock } = this.#lifetime;
    const age = this.#held ? clock.now() - this.#held.at : Infinity;
    if (!this.#held || age >= ttlMs) return this.#renewed();
    // Until its end nobody needs to know that the next one does not come.
    if (age >= refreshMs) this.#renewed().catch(() => {});
    return Promise.resolve(this.#held.text);
  }

  forget(): void {
    this.#held = undefined;
  }

  #renewed(): Promise<string> {
    const now = this.#lifetime.clock.now();
    if (this.#fetching && now - this.#fetching.at < FETCH_PATIENCE_MS) return this.#fetching.done;
    const fetching = { done: this.#fetch(), at: now };
    this.#fetching = fetching;
    const over = (text?: string) => {
      if (this.#fetching === fetching) this.#fetching = undefined;
      // One that was given up may come after its successor.
      const isNewer = !this.#held || this.#held.at < fetching.at;
      if (text !== undefined && isNewer) this.#held = { text, at: fetching.at };
    };
    fetching.done.then(over, () => over());
    return fetching.done;
  }
}
