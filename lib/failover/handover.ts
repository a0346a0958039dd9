import { describeError } from '../errors.js';
import { endOfRecords, formatLsn, parseLsn, type Lsn } from '../lsn.js';
import type { EngineParts } from './engine.js';
import { HeldStandbys } from './held-standbys.js';
import { nodeOf } from '../topology/topology.js';
import { NodeSession, READ_ONLY } from './node-session.js';
import { refused } from './refused.js';
import { describeMissing, readRights } from './rights.js';
import type { StandbySession } from './standby-session.js';

export interface HandoverParts extends EngineParts {
  readonly from: string;
  readonly to: string;
  /** Waits, up to the deadline of the switchover. */
  readonly until: (holds: () => Promise<boolean>, what: () => string) => Promise<void>;
}

/**
 * The primary handed from one node to another by SQL alone: the old one is made read-only, its other sessions are ended,
 * and what it has written is waited for. It can't be made a standby so: it stays read-only until an operator has it
 * rejoin. It holds the locks that a failover takes, so nobody else is at it.
 */
export class Handover {
  readonly #parts: HandoverParts;
  readonly #standbys: HeldStandbys;
  #primary: NodeSession | undefined;
  /** And whether they had been sent elsewhere before. */
  readonly #repointed = new Map<string, boolean>();
  #isReadOnly = false;
  #mayBePromoted = false;

  constructor(parts: HandoverParts) {
    this.#parts = parts;
    this.#standbys = new HeldStandbys(parts);
  }

  /** @throws PgMcpError where the rights for it are missing. */
  async check(): Promise<void> {
    this.#primary = await this.#connect();
    const { needed, useful, database } = await readRights(this.#primary);
    // Without the right to a slot's name replicas that use none can do.
    const missing = [...needed, ...useful.filter(({ what }) => what.includes('to fence'))];
    if (missing.length > 0)
      throw refused(`of the account of the probes: ${describeMissing(missing, database)}`);
  }

  async run(): Promise<void> {
    const { from, to, journal, monitor } = this.#parts;
    const standbys = monitor.topology.nodes.filter(
      ({ role, health }) => role === 'replica' && health === 'up',
    );
    const names = standbys.map(({ name }) => name).toSorted();
    const taken = await this.#standbys.lock(names);
    if (taken !== undefined) throw refused(`another process holds ${taken}`);
    this.#requireAll(names);
    await this.#demote();
    journal.tell('primary-demoted', { node: from, detail: 'read-only; it rejoins when an operator has it' });
    // Only the target may hear more from here on: another standby with more WAL than it could not follow it.
    const others = names.filter((name) => name !== to);
    await this.#repoint(others);
    this.#requireAll(names);
    if (others.length > 0) journal.tell('others-repointed', { node: to });
    await this.#catchUp();
    journal.tell('target-caught-up', { node: to });
    this.#requireAll(names);
    await this.#promote();
    journal.tell('promoted', { node: to });
  }

  /** As it was, unless the promotion was asked for: it may come late, and then there would be two. Never rejects. */
  async undo(): Promise<void> {
    const { from, to, journal } = this.#parts;
    const byHand = `ALTER SYSTEM RESET ${READ_ONLY} on ${from}, and reload`;
    if (this.#mayBePromoted) {
      const detail = `may be promoted yet, so ${from} stays read-only; if it is not: ${byHand}`;
      journal.tell('warning', { node: to, detail });
      return;
    }
    await this.#standbys.each((session) => this.#sendBack(session), [...this.#repointed.keys()]);
    try {
      if (this.#isReadOnly) await this.#makeWritable();
    } catch (error) {
      journal.tell('warning', { node: from, detail: `stays read-only (${describeError(error)}): ${byHand}` });
    }
  }

  async close(): Promise<void> {
    await this.#standbys.release();
    await this.#primary?.end();
  }

  /** New transactions can't write at once, running ones are waited for, and nobody stays who might have set otherwise. */
  async #demote(): Promise<void> {
    const { from, until } = this.#parts;
    this.#isReadOnly = true;
    await this.#primary?.makeReadOnly();
    const { at } = await this.#ask<{ at: string }>('SELECT clock_timestamp()::text AS at');
    let left = 0;
    const none = (text: string) => async () => {
      // Whose sessions are silent for long lose their locks.
      await this.#standbys.each((session) => session.touch());
      ({ n: left } = await this.#ask<{ n: number }>(text, [at]));
      return left === 0;
    };
    await until(none(WRITERS), () => `${left} transactions of other clients on ${from} did not end in time`);
    await this.#ask(END_OTHERS);
    await until(none(OTHERS), () => `${left} sessions on ${from} did not end in time`);
  }

  async #repoint(others: readonly string[]): Promise<void> {
    const { to, monitor } = this.#parts;
    for (const { node, sent } of await this.#standbys.reports())
      if (others.includes(node)) this.#repointed.set(node, sent !== undefined);
    const { newestTimeline } = monitor.topology;
    const hasSlot = async (slot: string) => (await this.#standbys.get(to)?.hasSlot(slot)) ?? false;
    await this.#standbys.each((session) => session.repoint(to, newestTimeline, hasSlot), others);
  }

  /** One that follows the primary by an earlier switchover has another original than that. */
  #sendBack(session: StandbySession): Promise<void> {
    const { from } = this.#parts;
    const wasSent = this.#repointed.get(session.node) === true;
    return wasSent ? session.repoint(from, 0, async () => true) : session.restore();
  }

  async #catchUp(): Promise<void> {
    const { to, until, monitor } = this.#parts;
    const { lsn, segment } = await this.#ask<{ lsn: string; segment: number }>(POSITION);
    const written = endOfRecords(parseLsn(lsn), segment);
    let needed: Lsn = written;
    let received: Lsn | undefined;
    const hasAll = async () => {
      const reports = await this.#standbys.reports();
      for (const report of reports) if (report.lsn > needed) needed = report.lsn;
      received = reports.find(({ node }) => node === to)?.lsn;
      if (received === undefined) throw refused(`${to} answers no more`);
      if (received < needed) return false;
      // It replays what it has before it is promoted, and that must not take long.
      await monitor.probeAnew(to);
      return (nodeOf(monitor.topology, to)?.facts?.replayedLsn ?? written) >= written;
    };
    await until(hasAll, () => `${to} has ${formatLsn(received ?? 0n)} of ${formatLsn(needed)}`);
  }

  async #promote(): Promise<void> {
    const { to } = this.#parts;
    const target = this.#standbys.get(to);
    if (!target) throw refused(`${to} answers no more`);
    // What an earlier switchover or fence has left there.
    await target.dropFence();
    this.#mayBePromoted = true;
    await target.promote(() => this.#standbys.each((session) => session.touch()));
  }

  /** A replica that was given up on the way may hear the old primary still, and no lock of it is held. */
  #requireAll(names: readonly string[]): void {
    const lost = names.filter((name) => !this.#standbys.nodes.includes(name));
    if (lost.length > 0) throw refused(`${lost.join(', ')} did not answer in time`);
  }

  async #makeWritable(): Promise<void> {
    // One that was late with an answer was cut.
    if (this.#primary?.isLost !== false) this.#primary = await this.#connect();
    await this.#primary.makeWritable();
  }

  async #connect(): Promise<NodeSession> {
    const { from, clock, settings } = this.#parts;
    return new NodeSession(from, await this.#parts.connect(from), clock, settings.healthCheck.timeoutMs);
  }

  async #ask<R>(text: string, values?: readonly unknown[]): Promise<R> {
    const { from } = this.#parts;
    const [row] = (await this.#primary?.query<R>(text, values))?.rows ?? [];
    if (row === undefined) throw new Error(`${from} returned no row`);
    return row;
  }
}

/** Sessions of superusers are theirs to end. */
const CLIENTS = `pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
  AND usesysid NOT IN (SELECT oid FROM pg_roles WHERE rolsuper)`;
/** Those of later are read-only from their beginning, and there may always be new ones. */
const OTHERS = `SELECT count(*)::int AS n FROM ${CLIENTS} AND backend_start <= $1::timestamptz`;
/** A transaction that began before the setting may still write. */
const WRITERS = `SELECT count(*)::int AS n FROM ${CLIENTS} AND (backend_xid IS NOT NULL OR xact_start <= $1::timestamptz)`;
const END_OTHERS = `SELECT count(pg_terminate_backend(pid)) FROM ${CLIENTS}`;
const POSITION = `
  SELECT pg_current_wal_insert_lsn()::text AS lsn,
         pg_size_bytes(current_setting('wal_segment_size'))::int AS segment`;
