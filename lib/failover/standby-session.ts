import { parseLsn, type Lsn } from '../lsn.js';
import {
  isSameAddress,
  plainAddress,
  readConninfo,
  withOverride,
  type Address,
  type Override,
} from './conninfo.js';
import type { NodeSession } from './node-session.js';
import type { StandbyReport } from './standby-report.js';

/** A holder that is paused for longer loses its locks, and what it would do then is refused. */
const HOLD = `SET idle_session_timeout = '2s'`;

/**
 * What startup is busy with may keep it from reading its settings again: a conflict with a query, for example. The
 * others wait for it, and must not lose their locks.
 */
const CUT_DEADLINE_MS = 1_500;
/** All of the log that is there must be replayed first. */
const PROMOTION_DEADLINE_MS = 60_000;

const FENCE_DEADLINE_MS = 300;
const IS_WRITABLE_BY_DEFAULT = `
  SELECT reset_val = 'off' AS off FROM pg_settings WHERE name = 'default_transaction_read_only'`;

const NEWEST_TIMELINE = `
  (SELECT max(('x' || substr(name, 1, 8))::bit(32)::int) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$')`;

const report = (timeline: string) => `
  SELECT pg_is_in_recovery() AS standby,
         ${timeline} AS timeline,
         greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::text AS lsn,
         conninfo.setting AS conninfo,
         conninfo.sourcefile NOT LIKE '%postgresql.auto.conf' AS is_from_file,
         current_setting('primary_slot_name') AS slot,
         patience.setting::int AS receiver_timeout_ms,
         receiver.status,
         receiver.received_tli AS receiver_timeline,
         receiver.sender_host,
         receiver.sender_port,
         receiver.conninfo AS receiver_conninfo,
         (extract(epoch FROM clock_timestamp() - receiver.last_msg_receipt_time) * 1000)::float8 AS heard_ms_ago
    FROM pg_settings AS conninfo
    JOIN pg_settings AS patience ON patience.name = 'wal_receiver_timeout'
    LEFT JOIN pg_stat_wal_receiver AS receiver ON true
   WHERE conninfo.name = 'primary_conninfo'`;

const REPORT = report('NULL::int');
const REPORT_WITH_TIMELINE = report(NEWEST_TIMELINE);

interface ReportRow {
  readonly standby: boolean;
  readonly timeline: number | null;
  readonly lsn: string | null;
  readonly conninfo: string;
  readonly is_from_file: boolean | null;
  readonly slot: string;
  readonly receiver_timeout_ms: number;
  readonly status: string | null;
  readonly receiver_timeline: number | null;
  readonly sender_host: string | null;
  readonly sender_port: number | null;
  readonly receiver_conninfo: string | null;
  readonly heard_ms_ago: number | null;
}

/** By which nodes are known to each other. */
export interface AddressBook {
  addressOf(node: string): Address;
  nodeAt(address: Address): string | undefined;
}

/** What a contender does to one standby, in one session that holds its lock. */
export class StandbySession {
  readonly node: string;
  readonly #session: NodeSession;
  readonly #addresses: AddressBook;

  constructor(session: NodeSession, addresses: AddressBook) {
    this.node = session.node;
    this.#session = session;
    this.#addresses = addresses;
  }

  /** @returns Whether nobody else holds it. The lock lasts as long as the session. */
  async lock(key: bigint): Promise<boolean> {
    await this.#session.query(HOLD);
    const { held } = await this.#session.row<{ held: boolean }>(
      `SELECT pg_try_advisory_lock(${key}) AS held`,
    );
    return held;
  }

  /** The session lives, and so do its locks; its time begins anew. */
  async touch(): Promise<void> {
    await this.#session.query('SELECT 1');
  }

  async report(withTimeline = false): Promise<StandbyReport> {
    return this.#toReport(await this.#ask(withTimeline));
  }

  /** Away from whoever it hears. Returns when it hears nobody. */
  async cut(timeline: number): Promise<void> {
    const row = await this.#ask();
    const { original, override } = readConninfo(row.conninfo);
    if (override?.timeline !== timeline || override.to !== undefined)
      await this.#override(original, { ...kept(row, override), timeline });
    const isCut = async () => {
      const now = await this.#ask();
      const { override } = readConninfo(now.conninfo);
      if (override?.timeline !== timeline || override.to !== undefined) return undefined;
      const heard = now.receiver_conninfo === null ? undefined : readConninfo(now.receiver_conninfo);
      return heard === undefined || (heard.override?.to === undefined && heard.override !== undefined)
        ? true
        : undefined;
    };
    await this.#session.until(isCut, CUT_DEADLINE_MS, 'hear nobody');
  }

  /**
   * To another node, as the record of a choice. Returns when the record can be read.
   *
   * @param hasSlot Whether that node has a replication slot of a name; without it, its log is had without a slot.
   */
  async repoint(node: string, timeline: number, hasSlot: (slot: string) => Promise<boolean>): Promise<void> {
    const row = await this.#ask();
    const { original, override } = readConninfo(row.conninfo);
    const to = this.#addresses.addressOf(node);
    const { slot = row.slot, ...rest } = kept(row, override);
    const isMissing = slot !== '' && !(await hasSlot(slot));
    await this.#override(original, { ...rest, timeline, to, ...(isMissing && { slot }) }, async () => {
      const wanted = isMissing ? '' : slot;
      if (wanted !== row.slot) await this.#session.alterSystem('primary_slot_name', wanted);
    });
    const isRecorded = async () => {
      const { override } = readConninfo((await this.#ask()).conninfo);
      return override?.timeline === timeline && isSameAddress(override.to, to) ? true : undefined;
    };
    await this.#session.until(isRecorded, CUT_DEADLINE_MS, `be sent to ${node}`);
  }

  /** As it was before any contender touched it. */
  async restore(): Promise<void> {
    const row = await this.#ask();
    const { original, override } = readConninfo(row.conninfo);
    if (!override) return;
    await this.#session.alterSystem('primary_conninfo', override.isFromFile ? undefined : original);
    if (override.slot !== undefined) await this.#session.alterSystem('primary_slot_name', override.slot);
    await this.#session.reload();
  }

  async hasSlot(slot: string): Promise<boolean> {
    const { found } = await this.#session.row<{ found: boolean }>(
      `SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1 AND slot_type = 'physical') AS found`,
      [slot],
    );
    return found;
  }

  /** A fence from when it was a stale primary would make it a primary that only reads. */
  async dropFence(): Promise<void> {
    const { fenced } = await this.#session.row<{ fenced: boolean }>(
      `SELECT setting = 'on' AND sourcefile LIKE '%postgresql.auto.conf' AS fenced
         FROM pg_settings WHERE name = 'default_transaction_read_only'`,
    );
    if (!fenced) return;
    await this.#session.alterSystem('default_transaction_read_only', undefined);
    await this.#session.reload();
    // Where a file of the operator's says the same, it stays.
    const isOff = async () =>
      (await this.#session.row<{ off: boolean }>(IS_WRITABLE_BY_DEFAULT)).off ? true : undefined;
    await this.#session.until(isOff, FENCE_DEADLINE_MS, 'be writable').catch(() => {});
  }

  /**
   * Returns the new timeline. It does not wait by `pg_promote` itself, which looks every 100 ms only.
   *
   * @param meanwhile Called between the questions whether it is done.
   */
  async promote(meanwhile: () => Promise<unknown>): Promise<number> {
    await this.#session.query('SELECT pg_promote(false)');
    return this.#session.until(
      async () => {
        const { timeline } = await this.#session.row<{ timeline: number | null }>(
          `SELECT CASE WHEN NOT node.standby
                       THEN ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END AS timeline
             FROM (SELECT pg_is_in_recovery() AS standby OFFSET 0) AS node`,
        );
        if (timeline !== null) return timeline;
        await meanwhile();
        return undefined;
      },
      PROMOTION_DEADLINE_MS,
      'be promoted',
    );
  }

  end(): Promise<void> {
    return this.#session.end();
  }

  destroy(): void {
    this.#session.destroy();
  }

  /** The record first: whoever dies after it leaves what the next one can read. */
  async #override(original: string, override: Override, more?: () => Promise<void>): Promise<void> {
    await this.#session.alterSystem('primary_conninfo', withOverride(original, override));
    await more?.();
    await this.#session.reload();
  }

  #ask(withTimeline = false): Promise<ReportRow> {
    return this.#session.row<ReportRow>(withTimeline ? REPORT_WITH_TIMELINE : REPORT);
  }

  #toReport(row: ReportRow): StandbyReport {
    const { original, override } = readConninfo(row.conninfo);
    const address = plainAddress(original);
    const origin = address && this.#addresses.nodeAt(address);
    const nameOf = (address: Address) => this.#addresses.nodeAt(address) ?? `${address.host}:${address.port}`;
    const from =
      row.sender_host === null || row.sender_port === null
        ? undefined
        : this.#addresses.nodeAt({ host: row.sender_host, port: row.sender_port });
    const lsn: Lsn = row.lsn === null ? 0n : parseLsn(row.lsn);
    return {
      node: this.node,
      isStandby: row.standby,
      lsn,
      receiverTimeoutMs: row.receiver_timeout_ms,
      ...(row.timeline !== null && { timeline: row.timeline }),
      ...(origin !== undefined && { origin }),
      ...(override && {
        sent: { timeline: override.timeline, ...(override.to && { to: nameOf(override.to) }) },
      }),
      ...(row.status !== null && {
        receiver: {
          isStreaming: row.status === 'streaming',
          heardMsAgo: row.heard_ms_ago ?? Number.POSITIVE_INFINITY,
          ...(row.receiver_timeline !== null && { timeline: row.receiver_timeline }),
          ...(from !== undefined && { from }),
        },
      }),
    };
  }
}

/** What must be known to restore it. */
function kept(row: ReportRow, override: Override | undefined): Pick<Override, 'slot' | 'isFromFile'> {
  if (!override) return row.is_from_file === true ? { isFromFile: true } : {};
  const { slot, isFromFile } = override;
  return { ...(slot !== undefined && { slot }), ...(isFromFile === true && { isFromFile }) };
}
