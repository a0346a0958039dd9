import type { ClusterSettings } from '../config/settings.js';
import { describeError, PgMcpError, toError } from '../errors.js';
import type { Monitor } from '../topology/monitor.js';
import { nodeOf, type Topology } from '../topology/topology.js';
import { PatroniRefusal, type PatroniClient } from './patroni-client.js';
import { NoAnswer } from './http-request.js';
import { matchMembers, type MatchedMember } from './patroni-members.js';

export interface SwitchoverParts {
  readonly client: PatroniClient;
  readonly settings: ClusterSettings;
  readonly monitor: Monitor;
  readonly from: string;
  readonly to: string | undefined;
  readonly signal: AbortSignal;
}

/** Patroni gives up after some 20 s, and a promotion may take its time. */
const LONGEST_MS = 40_000;

/**
 * Asks Patroni for a switchover, and returns the node that its store and the probes show to lead instead, which may be a
 * second before Patroni answers.
 *
 * @throws PgMcpError `SWITCHOVER_FAILED`
 */
export async function switchOver(parts: SwitchoverParts): Promise<string> {
  const { client, to } = parts;
  const asking = new AbortController();
  const signal = AbortSignal.any([parts.signal, asking.signal]);
  try {
    const { leader, candidate } = await participants({ ...parts, signal });
    const moved = untilMoved({ ...parts, signal });
    const answered = client.switchover(leader.member, candidate?.member, signal).catch((error: unknown) => {
      // It may be under way, or done.
      if (!(error instanceof NoAnswer)) throw error;
    });
    const primary = await Promise.race([moved, answered.then(() => moved)]);
    if (to !== undefined && primary !== to) throw new Error(`the primary is now ${primary}, not ${to}`);
    return primary;
  } catch (error) {
    // What Patroni, or we, refuse at once, has not begun.
    const safeToRetry =
      error instanceof NotPossible || (error instanceof PatroniRefusal && error.status < 500);
    throw new PgMcpError('SWITCHOVER_FAILED', `Patroni did not switch over: ${describeError(error)}`, {
      cause: error,
      safeToRetry,
    });
  } finally {
    asking.abort();
  }
}

class NotPossible extends Error {}

async function participants({ client, settings, from, to, signal }: SwitchoverParts) {
  const members = matchMembers(await client.cluster(signal), settings.nodes);
  const leader = members.find(({ member }) => member.role === 'leader');
  if (leader?.node !== from)
    throw new NotPossible(`its leader is ${leader ? nameOf(leader) : 'nobody'}, not ${from}`);
  const candidate = to === undefined ? undefined : members.find(({ node }) => node === to);
  if (to !== undefined) {
    if (!candidate) throw new NotPossible(`${to} is none of its members`);
    const { maxDataLossBytes } = settings.failover;
    // Writes would wait for it to catch up.
    if ((await client.isReplica(candidate.member, maxDataLossBytes, signal)) === false)
      throw new NotPossible(`${to} is no running replica, or is more than ${maxDataLossBytes} bytes behind`);
  }
  return { leader, candidate };
}

function nameOf({ member, node }: MatchedMember): string {
  return node ?? member.name;
}

async function untilMoved({ monitor, from, signal }: SwitchoverParts): Promise<string> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(toError(signal.reason)), { once: true });
  });
  aborted.catch(() => {});
  const hasMoved = (topology: Topology) => (leaderSeen(topology) ?? from) !== from;
  const moved = await Promise.race([monitor.until(hasMoved, LONGEST_MS), aborted]);
  const leader = moved && leaderSeen(moved);
  if (leader === undefined) throw new Error(`no other primary was seen within ${LONGEST_MS} ms`);
  return leader;
}

/** Who leads, where a probe has shown it to be the primary that is good for writes, though nobody may get it yet. */
function leaderSeen(topology: Topology): string | undefined {
  const { leader } = topology;
  const node = leader && nodeOf(topology, leader.node);
  return node?.role === 'primary' && node.health === 'up' ? node.name : undefined;
}
