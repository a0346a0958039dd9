import { endOfRecords, formatLsn, parseLsn, type Lsn } from '../lsn.js';
import type { DriverConnection } from '../pool/driver.js';
import type { Queryable } from '../query.js';
import { bounded } from './bounded.js';
import { quoteLiteral, setReadOnly } from './commands.js';
import type { EngineParts } from './engine.js';
import { refused } from './refused.js';

export interface HandoverParts extends EngineParts {
  readonly from: string;
  readonly to: string;
  /** Waits, up to the deadline of the switchover. */
  readonly until: (holds: () => Promise<boolean>, what: () => string) => Promise<void>;
}

const PROMOTE_S = 10;

/**
 * The primary handed from one node to another by SQL alone: the old one is made read-only, its other sessions are ended,
 * and what it has written is waited for. It can't be made a standby so: it stays read-only until an operator has it
 * rejoin.
 */
export class Handover {
  readonly #parts: HandoverParts;
  readonly #connections = new Map<string, DriverConnection>();
  readonly #repointed = new Map<string, string>();
  #isReadOnly = false;
  #mayBePromoted = false;

  constructor(parts: HandoverParts) {
    this.#parts = parts;
  }

  /** @throws PgMcpError where the rights for it are missing, or another one is under way. */
  async check(): Promise<void> {
    const { from, to } = this.#parts;
    const { rows } = await (await this.#on(from)).query<{ lacks: string | null }>(LACKS_ON_PRIMARY);
    if (rows[0]?.lacks) throw refused(`the account of the probes lacks on ${from}: ${rows[0].lacks}`);
    for (const node of this.#standbys()) {
      const wanted = node === to ? LACKS_ON_TARGET : LACKS_ON_OTHERS;
      const { rows: found } = await (await this.#on(node)).query<{ lacks: string | null }>(wanted);
      if (found[0]?.lacks) throw refused(`the account of the probes lacks on ${node}: ${found[0].lacks}`);
    }
    // Held by this session, so it goes with this process.
    const lock = await (
      await this.#on(from)
    ).query<{ taken: boolean }>(
      `SELECT pg_try_advisory_lock(hashtextextended('nestjs-pg-mcp switchover', 0)) AS taken`,
    );
    if (lock.rows[0]?.taken !== true) throw refused('another process is about one');
  }

  async run(): Promise<void> {
    const { from, to, journal } = this.#parts;
    await this.#demote();
    journal.tell('primary-demoted', { node: from, detail: 'read-only; it rejoins when an operator has it' });
    // Only the target may hear more from here on: another standby with more WAL than it could not follow it.
    for (const node of this.#standbys()) if (node !== to) await this.#repoint(node);
    if (this.#repointed.size > 0) journal.tell('others-repointed', { node: to });
    await this.#catchUp();
    journal.tell('target-caught-up', { node: to });
    await this.#promote();
    journal.tell('promoted', { node: to });
  }

  /** As it was, where the target has surely not been promoted: else there would be two. Never rejects. */
  async undo(): Promise<void> {
    const { from, to, journal } = this.#parts;
    try {
      if (this.#mayBePromoted && !(await this.#isStandby())) {
        journal.tell('warning', {
          node: to,
          detail: `may have been promoted, so ${from} stays read-only; if it was not: ALTER SYSTEM RESET default_transaction_read_only on ${from}, and reload`,
        });
        return;
      }
      if (this.#isReadOnly) await setReadOnly(await this.#on(from), false);
      for (const [node, conninfo] of this.#repointed) await setConninfo(await this.#on(node), conninfo);
    } catch (error) {
      journal.tell('warning', {
        node: from,
        detail: `could not be taken back: ALTER SYSTEM RESET default_transaction_read_only there (${String(error)})`,
      });
    }
  }

  async #isStandby(): Promise<boolean> {
    try {
      const target = await this.#on(this.#parts.to);
      const { rows } = await target.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby');
      return rows[0]?.standby === true;
    } catch {
      return false;
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#connections.values()].map((connection) => connection.end()));
  }

  /** New transactions can't write at once, running ones are waited for, and nobody stays who might have set otherwise. */
  async #demote(): Promise<void> {
    const { from, until } = this.#parts;
    const connection = await this.#on(from);
    this.#isReadOnly = true;
    await setReadOnly(connection, true);
    const { rows } = await connection.query<{ at: string }>(`SELECT clock_timestamp()::text AS at`);
    const at = rows[0]?.at ?? '';
    let left = 0;
    await until(
      async () => {
        left = await count(connection, WRITERS, at);
        return left === 0;
      },
      () => `${left} transactions of other clients on ${from} did not end in time`,
    );
    await connection.query(END_OTHERS);
    await until(
      async () => (left = await count(connection, OTHERS, at)) === 0,
      () => `${left} sessions on ${from} did not end in time`,
    );
  }

  async #repoint(node: string): Promise<void> {
    const { settings, to } = this.#parts;
    const target = settings.nodes.find(({ name }) => name === to);
    const connection = await this.#on(node);
    const { rows } = await connection.query<{ conninfo: string }>(
      `SELECT current_setting('primary_conninfo') AS conninfo`,
    );
    const conninfo = rows[0]?.conninfo ?? '';
    this.#repointed.set(node, conninfo);
    await setConninfo(connection, `${conninfo} host=${target?.host} port=${target?.port}`);
  }

  async #catchUp(): Promise<void> {
    const { from, to, until } = this.#parts;
    const others = this.#standbys().filter((node) => node !== to);
    const written = await writtenOn(await this.#on(from));
    let received = 0n;
    let needed = written;
    await until(
      async () => {
        const theirs = await Promise.all(others.map(async (node) => receivedOn(await this.#on(node))));
        needed = theirs.reduce((most, lsn) => (lsn > most ? lsn : most), written);
        received = await receivedOn(await this.#on(to));
        return received >= needed;
      },
      () => `${to} has ${formatLsn(received)} of ${formatLsn(needed)}`,
    );
  }

  async #promote(): Promise<void> {
    const { to } = this.#parts;
    const connection = await this.#on(to, 2 * PROMOTE_S * 1_000);
    // What an earlier switchover or fence has left there.
    await setReadOnly(connection, false);
    this.#mayBePromoted = true;
    const { rows } = await connection.query<{ done: boolean }>(
      `SELECT pg_promote(true, ${PROMOTE_S}) AS done`,
    );
    if (rows[0]?.done !== true) throw refused(`${to} was not promoted within ${PROMOTE_S} s`);
  }

  /** Every configured node that follows. */
  #standbys(): readonly string[] {
    const { monitor } = this.#parts;
    return monitor.topology.nodes
      .filter(({ role, health }) => role === 'replica' && health === 'up')
      .map(({ name }) => name);
  }

  async #on(node: string, timeoutMs = this.#parts.settings.healthCheck.timeoutMs): Promise<Queryable> {
    let connection = this.#connections.get(node);
    if (!connection || connection.isLost) {
      connection = await this.#parts.connect(node);
      connection.listen({ lost: () => {}, role: () => {} });
      this.#connections.set(node, connection);
    }
    return bounded(connection, this.#parts.clock, timeoutMs);
  }
}

async function setConninfo(connection: Queryable, conninfo: string): Promise<void> {
  await connection.query(`ALTER SYSTEM SET primary_conninfo = ${quoteLiteral(conninfo)}`);
  await connection.query('SELECT pg_reload_conf()');
}

async function count(connection: Queryable, text: string, at: string): Promise<number> {
  const { rows } = await connection.query<{ n: number }>(text, [at]);
  return rows[0]?.n ?? 0;
}

async function writtenOn(connection: Queryable): Promise<Lsn> {
  const { rows } = await connection.query<{ lsn: string; segment: number }>(
    `SELECT pg_current_wal_insert_lsn()::text AS lsn, pg_size_bytes(current_setting('wal_segment_size'))::int AS segment`,
  );
  const [row] = rows;
  if (!row) throw new Error('the old primary did not tell its position');
  return endOfRecords(parseLsn(row.lsn), row.segment);
}

async function receivedOn(connection: Queryable): Promise<Lsn> {
  const { rows } = await connection.query<{ lsn: string }>(
    `SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::text AS lsn`,
  );
  return rows[0] ? parseLsn(rows[0].lsn) : 0n;
}

/** Sessions of superusers are theirs to end. */
const CLIENTS = `pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
  AND usesysid NOT IN (SELECT oid FROM pg_roles WHERE rolsuper)`;
/** Those of later are read-only from their beginning, and there may always be new ones. */
const OTHERS = `SELECT count(*)::int AS n FROM ${CLIENTS} AND backend_start <= $1::timestamptz`;
/** A transaction that began before the setting may still write. */
const WRITERS = `SELECT count(*)::int AS n FROM ${CLIENTS} AND (backend_xid IS NOT NULL OR xact_start <= $1::timestamptz)`;
const END_OTHERS = `SELECT pg_terminate_backend(pid) FROM ${CLIENTS}`;

/** Which rights of those named are missing, as a text; NULL for none. */
function lacks(rights: Readonly<Record<string, string>>): string {
  const cases = Object.entries(rights).map(
    ([name, has]) => `CASE WHEN NOT (${has}) THEN ${quoteLiteral(name)} END`,
  );
  return `SELECT nullif(concat_ws(', ', ${cases.join(', ')}), '') AS lacks`;
}

const RELOAD = {
  'EXECUTE ON FUNCTION pg_reload_conf()': `has_function_privilege('pg_reload_conf()', 'EXECUTE')`,
};
const maySet = (parameter: string) => ({
  [`ALTER SYSTEM ON PARAMETER ${parameter}`]: `has_parameter_privilege('${parameter}', 'ALTER SYSTEM')`,
});
const LACKS_ON_PRIMARY = lacks({
  ...maySet('default_transaction_read_only'),
  ...RELOAD,
  'the role pg_signal_backend': `pg_has_role('pg_signal_backend', 'USAGE')`,
  'the role pg_monitor': `pg_has_role('pg_read_all_stats', 'USAGE')`,
});
const LACKS_ON_TARGET = lacks({
  ...maySet('default_transaction_read_only'),
  ...RELOAD,
  'EXECUTE ON FUNCTION pg_promote(boolean, integer)': `has_function_privilege('pg_promote(boolean, integer)', 'EXECUTE')`,
});
const LACKS_ON_OTHERS = lacks({ ...maySet('primary_conninfo'), ...RELOAD });
