import { delay } from '../clock.js';
import { describeError, PgMcpError } from '../errors.js';
import { nodeOf, type NodeState } from '../topology/topology.js';
import type { EngineParts, FailoverEngine } from './engine.js';
import { Handover } from './handover.js';
import { refused } from './refused.js';

/** How often what is waited for is looked at. */
const LOOK_MS = 5;

export interface SwitchoverParts extends EngineParts {
  readonly engine: FailoverEngine | undefined;
  /** The cluster closes: it is given up. */
  readonly signal: AbortSignal;
  /** Calls that are under way on a node, or wait for a connection to it. */
  readonly load: (node: string) => number;
}

/**
 * Moves the primary to another node, as planned. Calls to the primary wait meanwhile; none fails, as long as it takes no
 * longer than half of `acquire_timeout`, after which it is given up and all is as before.
 *
 * @param target A replica; the one that has most, unless given.
 * @throws PgMcpError `SWITCHOVER_FAILED` with what is in the way.
 */
export async function switchover(target: string | undefined, parts: SwitchoverParts): Promise<void> {
  const { monitor, journal, clock, settings, signal } = parts;
  await monitor.probeAllAnew();
  const { primary } = monitor.topology;
  if (primary === undefined || journal.underWay)
    throw refused(primary === undefined ? 'there is no primary' : `a ${journal.underWay?.kind} is under way`);
  const ruler = parts.engine?.switchover ? parts.engine : undefined;
  // A ruler knows better who is fit: of Patroni's synchronous replicas it takes no other.
  const chosen = ruler && target === undefined ? undefined : choose(target, parts);
  const deadline = clock.now() + settings.pool.acquireTimeoutMs / 2;
  const until = async (holds: () => boolean | Promise<boolean>, what: () => string): Promise<void> => {
    while (!(await holds())) {
      if (signal.aborted) throw refused('the cluster closes');
      if (clock.now() >= deadline) throw refused(what());
      await delay(clock, LOOK_MS);
    }
  };
  const facts = chosen === undefined ? {} : { node: chosen };
  journal.began('switchover', 'switchover-began', { ...facts, detail: `from ${primary}` });
  const handover =
    ruler || chosen === undefined ? undefined : new Handover({ ...parts, from: primary, to: chosen, until });
  try {
    await handover?.check();
    monitor.hold();
    journal.tell('writes-held');
    const busy = () => parts.load(primary);
    await until(
      () => busy() === 0,
      () => `${busy()} calls on ${primary} did not end in time`,
    );
    journal.tell('transactions-finished');
    const promoted = (await ruler?.switchover?.(primary, chosen)) ?? chosen;
    await handover?.run();
    await monitor.release(promoted);
    const now = monitor.topology.primary;
    if (now === undefined || now !== promoted)
      throw refused(`${promoted} was promoted, but ${now ?? 'no node'} is the primary`);
    journal.ended('switched', 'switchover-ended', { node: now });
  } catch (error) {
    await handover?.undo();
    await monitor.release();
    journal.ended('failed', 'switchover-failed', { ...facts, detail: describeError(error) });
    // It died meanwhile: that is a failover.
    if (monitor.topology.primary === undefined) journal.began('failover', 'primary-lost', { node: primary });
    const isOurs = error instanceof PgMcpError && error.code === 'SWITCHOVER_FAILED';
    throw isOurs ? error : refused(describeError(error), error);
  } finally {
    await handover?.close();
  }
}

/** The node that is to become primary. */
function choose(target: string | undefined, { monitor }: SwitchoverParts): string {
  const { topology } = monitor;
  const standbys = topology.nodes.filter(follows);
  if (target !== undefined) {
    if (!nodeOf(topology, target))
      throw refused(
        `there is no node ${target} (there are: ${topology.nodes.map(({ name }) => name).join(', ')})`,
      );
    if (target === topology.primary) throw refused(`${target} is the primary already`);
    if (!standbys.some(({ name }) => name === target))
      throw refused(`${target} does not stream from the primary`);
    return target;
  }
  const [best] = standbys.toSorted((a, b) => Number(received(b) - received(a)));
  if (!best) throw refused('no replica streams from the primary');
  return best.name;
}

function follows({ role, health, facts }: NodeState): boolean {
  // An account that may see no more than `connected` is refused for its rights.
  const isHearing = facts?.receiver === 'streaming' || facts?.receiver === 'connected';
  return role === 'replica' && health === 'up' && isHearing;
}

function received({ facts }: NodeState): bigint {
  return facts?.receivedLsn ?? 0n;
}
