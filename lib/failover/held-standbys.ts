import type { EngineParts } from './engine.js';
import { NodeSession } from './node-session.js';
import type { StandbyReport } from './standby-report.js';
import { StandbySession, type AddressBook } from './standby-session.js';

/** Advisory locks of applications are other numbers, as far as one can tell. */
const OURS = 0x6e70_6d63_7000_0000n;

/** One that hangs must not take so long that the others lose their locks. */
const LONGEST_ANSWER_MS = 1_000;

/** The sessions that hold the locks, one a standby. One that fails is given up, and its lock with it. */
export class HeldStandbys {
  readonly #parts: EngineParts;
  readonly #addresses: AddressBook;
  readonly #abort = new AbortController();
  #sessions: readonly StandbySession[] = [];

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#addresses = addressBook(parts);
  }

  get nodes(): readonly string[] {
    return this.#sessions.map(({ node }) => node);
  }

  get(node: string): StandbySession | undefined {
    return this.#sessions.find((session) => session.node === node);
  }

  /**
   * Locks them in the order given, so that of several contenders the first at the first one goes on.
   *
   * @returns The node whose lock another process holds; none is held here then.
   */
  async lock(nodes: readonly string[]): Promise<string | undefined> {
    const { systemId = '0' } = this.#parts.monitor.topology;
    const key = BigInt.asIntN(64, BigInt(systemId) ^ OURS);
    await this.release();
    const opened = await Promise.all(nodes.map((node) => this.#open(node)));
    this.#sessions = opened.filter((session) => session !== undefined);
    for (const session of this.#sessions) {
      const held = await session.lock(key).catch(() => undefined);
      if (held === undefined) this.#giveUp(session);
      if (held !== false) continue;
      await this.release();
      return session.node;
    }
    return undefined;
  }

  /** Asks a node that is not held, over a session that is released with the others. */
  async ask<T>(node: string, question: (session: StandbySession) => Promise<T>): Promise<T> {
    const session = await this.#open(node);
    if (!session) throw new Error(`${node} can't be reached`);
    this.#sessions = [...this.#sessions, session];
    return question(session);
  }

  /** Does it to all of them, or to those named, at once. */
  async each(work: (session: StandbySession) => Promise<unknown>, nodes = this.nodes): Promise<void> {
    const chosen = this.#sessions.filter(({ node }) => nodes.includes(node));
    await Promise.all(chosen.map((session) => work(session).catch(() => this.#giveUp(session))));
  }

  /** Of those whose sessions live. */
  async reports(withTimeline = false): Promise<readonly StandbyReport[]> {
    const reports = new Map<string, StandbyReport>();
    await this.each(async (session) => reports.set(session.node, await session.report(withTimeline)));
    return this.#sessions.flatMap(({ node }) => reports.get(node) ?? []);
  }

  async release(): Promise<void> {
    const sessions = this.#sessions;
    this.#sessions = [];
    await Promise.all(sessions.map((session) => session.end()));
  }

  /** At once, whatever they are at. */
  destroy(): void {
    this.#abort.abort(new Error('the failover is stopped'));
    for (const session of this.#sessions) session.destroy();
    this.#sessions = [];
  }

  #giveUp(session: StandbySession): void {
    this.#sessions = this.#sessions.filter((other) => other !== session);
    session.destroy();
  }

  async #open(node: string): Promise<StandbySession | undefined> {
    const { clock, settings } = this.#parts;
    const { signal } = this.#abort;
    try {
      const connection = await this.#parts.connect(node, signal);
      const timeoutMs = Math.min(settings.healthCheck.timeoutMs, LONGEST_ANSWER_MS);
      const session = new NodeSession(node, connection, clock, timeoutMs);
      if (signal.aborted) session.destroy();
      return new StandbySession(session, this.#addresses);
    } catch {
      return undefined;
    }
  }
}

function addressBook({ settings }: EngineParts): AddressBook {
  const { nodes } = settings;
  return {
    addressOf: (name) => {
      const node = nodes.find((node) => node.name === name);
      if (!node) throw new Error(`no node ${name}`);
      return { host: node.host, port: node.port };
    },
    nodeAt: ({ host, port }) => nodes.find((node) => node.host === host && node.port === port)?.name,
  };
}
