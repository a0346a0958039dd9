/**
 * Stands in for the list of a `pg.Pool`'s clients, which counts them (those that are idle it keeps elsewhere). A client
 * that is out belongs to who has it: dropped without a release, it is garbage, and counts no more.
 */
export class WeakClients<C extends object> {
  readonly #refs = new Set<WeakRef<C>>();
  readonly #registry: FinalizationRegistry<WeakRef<C>>;

  /** @param dropped Told when there is one less. */
  constructor(dropped: () => void) {
    this.#registry = new FinalizationRegistry((ref) => {
      if (this.#refs.delete(ref)) dropped();
    });
  }

  get length(): number {
    return this.#refs.size;
  }

  push(client: C): void {
    const ref = new WeakRef(client);
    this.#refs.add(ref);
    this.#registry.register(client, ref, client);
  }

  /** In place: `pg.Pool` puts what comes back where this was. */
  filter(isKept: (client: C) => boolean): this {
    for (const ref of this.#refs) {
      const client = ref.deref();
      if (!client || isKept(client)) continue;
      this.#refs.delete(ref);
      this.#registry.unregister(client);
    }
    return this;
  }

  reduce<T>(take: (sum: T, client: C) => T, begin: T): T {
    return [...this.#refs].reduce((sum, ref) => {
      const client = ref.deref();
      return client ? take(sum, client) : sum;
    }, begin);
  }
}
