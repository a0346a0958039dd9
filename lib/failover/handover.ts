import { describeError } from '../errors.js';
import { endOfRecords, formatLsn, parseLsn, type Lsn } from '../lsn.js';
import type { EngineParts } from './engine.js';
import { HeldStandbys } from './held-standbys.js';
import { NodeSession } from './node-session.js';
import { refused } from './refused.js';
import { describeMissing, readRights } from './rights.js';

export interface HandoverParts extends EngineParts {
  readonly from: string;
  readonly to: string;
  /** Waits, up to the deadline of the switchover. */
  readonly until: (holds: () => Promise<boolean>, what: () => string) => Promise<void>;
}

const READ_ONLY = 'default_transaction_read_only';

/**
 * The primary handed from one node to another by SQL alone: the old one is made read-only, its other sessions are ended,
 * and what it has written is waited for. It can't be made a standby so: it stays read-only until an operator has it
 * rejoin. It holds the locks that a failover takes, so nobody else is at it.
 */
export class Handover {
  readonly #parts: HandoverParts;
  readonly #standbys: HeldStandbys;
  #primary: NodeSession | undefined;
  #isReadOnly = false;
  #mayBePromoted = false;

  constructor(parts: HandoverParts) {
    this.#parts = parts;
    this.#standbys = new HeldStandbys(parts);
  }

  /** @throws PgMcpError where the rights for it are missing. */
  async check(): Promise<void> {
    const { from, clock, settings } = this.#parts;
    const connection = await this.#parts.connect(from);
    this.#primary = new NodeSession(from, connection, clock, settings.healthCheck.timeoutMs);
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
    await this.#demote();
    journal.tell('primary-demoted', { node: from, detail: 'read-only; it rejoins when an operator has it' });
    // Only the target may hear more from here on: another standby with more WAL than it could not follow it.
    const others = names.filter((name) => name !== to);
    await this.#repoint(others);
    if (others.length > 0) journal.tell('others-repointed', { node: to });
    await this.#catchUp();
    journal.tell('target-caught-up', { node: to });
    await this.#promote();
    journal.tell('promoted', { node: to });
  }

  /** As it was, where the target has surely not been promoted: else there would be two. Never rejects. */
  async undo(): Promise<void> {
    const { from, to, journal } = this.#parts;
    const byHand = `ALTER SYSTEM RESET ${READ_ONLY} on ${from}, and reload`;
    if (this.#mayBePromoted && !(await this.#isStandby(to))) {
      const detail = `may have been promoted, so ${from} stays read-only; if it was not: ${byHand}`;
      journal.tell('warning', { node: to, detail });
      return;
    }
    try {
      if (this.#isReadOnly) await this.#setReadOnly(undefined);
      await this.#standbys.each((session) => session.restore());
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
    await this.#setReadOnly('on');
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
    const { newestTimeline } = monitor.topology;
    const hasSlot = async (slot: string) => (await this.#standbys.get(to)?.hasSlot(slot)) ?? false;
    await this.#standbys.each((session) => session.repoint(to, newestTimeline, hasSlot), others);
  }

  async #catchUp(): Promise<void> {
    const { to, until } = this.#parts;
    const { lsn, segment } = await this.#ask<{ lsn: string; segment: number }>(POSITION);
    let needed: Lsn = endOfRecords(parseLsn(lsn), segment);
    let received: Lsn | undefined;
    const hasAll = async () => {
      const reports = await this.#standbys.reports();
      for (const report of reports) if (report.lsn > needed) needed = report.lsn;
      received = reports.find(({ node }) => node === to)?.lsn;
      if (received === undefined) throw refused(`${to} answers no more`);
      return received >= needed;
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

  async #isStandby(node: string): Promise<boolean> {
    const report = await this.#standbys
      .get(node)
      ?.report()
      .catch(() => undefined);
    return report?.isStandby === true;
  }

  async #setReadOnly(value: 'on' | undefined): Promise<void> {
    await this.#primary?.alterSystem(READ_ONLY, value);
    await this.#primary?.reload();
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
