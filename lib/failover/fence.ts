import { codeOf, describeError } from '../errors.js';
import type { EngineParts } from './engine.js';
import { NodeSession, READ_ONLY } from './node-session.js';
import type { Topology } from '../topology/topology.js';

const FORBIDDEN = '42501';

const ROLE = `
  SELECT pg_is_in_recovery() AS standby,
         CASE WHEN NOT pg_is_in_recovery()
              THEN ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END AS timeline`;

/** All but those by which processes like this one look after the node. Only a superuser may end a superuser's. */
const END_SESSIONS = `
  SELECT count(pg_terminate_backend(activity.pid))::int AS ended
    FROM pg_stat_activity AS activity
    JOIN pg_roles AS they ON they.oid = activity.usesysid
    JOIN pg_roles AS we ON we.rolname = current_user
   WHERE activity.backend_type = 'client backend'
     AND activity.pid <> pg_backend_pid()
     AND (we.rolsuper OR NOT they.rolsuper)
     AND NOT (they.oid = we.oid AND activity.application_name = ANY ($1))`;

/**
 * Makes a primary on an older timeline read-only, once each time that one is kept out: whatever else still reaches
 * it would have its writes lost. A session may set that back for itself: it is a fence, no wall.
 */
export class Fence {
  readonly #parts: EngineParts;
  /** Under way, or done, or forbidden. */
  readonly #seenTo = new Set<string>();
  readonly #under = new Set<Promise<void>>();
  readonly #abort = new AbortController();

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  changed({ nodes, primary, newestTimeline }: Topology): void {
    for (const { name, trouble } of nodes) {
      if (trouble?.kind !== 'stale-primary') {
        // One that is silent for a moment is still the one that was fenced.
        if (trouble?.kind !== 'unreachable') this.#seenTo.delete(name);
        continue;
      }
      if (primary === undefined || this.#seenTo.has(name) || this.#abort.signal.aborted) continue;
      this.#seenTo.add(name);
      const work = this.#fence(name, newestTimeline).finally(() => this.#under.delete(work));
      this.#under.add(work);
    }
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error('the failover is stopped'));
    await Promise.all(this.#under);
  }

  async #fence(node: string, newest: number): Promise<void> {
    const { clock, settings, journal } = this.#parts;
    let session: NodeSession | undefined;
    try {
      const connection = await this.#parts.connect(node, this.#abort.signal);
      session = new NodeSession(node, connection, clock, settings.healthCheck.timeoutMs);
      const { standby, timeline } = await session.row<{ standby: boolean; timeline: number | null }>(ROLE);
      if (standby || timeline === null || timeline >= newest) return;
      const ended = await this.#close(session);
      journal.tell('node-fenced', { node, detail: `${READ_ONLY} = on, ${ended} sessions ended` });
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      // What the network did is tried again with the next look at the node.
      if (codeOf(error) === FORBIDDEN)
        journal.tell('warning', { node, detail: `it can't be fenced: ${describeError(error)}` });
      else this.#seenTo.delete(node);
    } finally {
      await session?.end();
    }
  }

  async #close(session: NodeSession): Promise<number> {
    const { applicationName } = this.#parts.settings.pool;
    await session.makeReadOnly();
    const ours = [`${applicationName} monitor`, `${applicationName} failover`];
    return (await session.row<{ ended: number }>(END_SESSIONS, [ours])).ended;
  }
}
