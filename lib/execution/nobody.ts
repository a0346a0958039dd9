import { PgMcpError } from '../errors.js';
import { whyNoPrimary, type Decision } from '../routing/route.js';
import { rivalsIn, type NodeState, type Topology } from '../topology/topology.js';
import type { Demand } from './demand.js';

/** What a call is told that found nobody to serve it. Pure. */
export function nobody(demand: Demand, decision: Decision, topology: Topology, cause: unknown): PgMcpError {
  if (demand.target === 'primary') return noPrimary(topology, cause);
  const options = { cause, safeToRetry: true };
  const { refusals = [] } = decision;
  if (demand.onUnavailable === 'primary') {
    const isBehind = refusals.some(({ reason }) => reason === 'behind-session');
    const isAhead = refusals.length === 0 && demand.isBound && demand.session.isMarked;
    const message = `no node is known to have what this session has written; ${messageOf(topology)}`;
    if (isBehind || isAhead) return new PgMcpError('CONSISTENCY_UNAVAILABLE', message, options);
  }
  const reasons = refusals.map(({ node, reason, detail }) => `${node}: ${reason} (${detail})`);
  const why = reasons.length > 0 ? reasons.join('; ') : 'the cluster has none';
  return new PgMcpError('NO_REPLICA', `no replica can serve this read: ${why}`, options);
}

export function noPrimary(topology: Topology, cause: unknown): PgMcpError {
  const rivals = rivalsIn(topology);
  if (rivals.length > 0) return splitBrain(rivals, cause);
  return new PgMcpError('NO_PRIMARY', messageOf(topology), { cause, safeToRetry: true });
}

function messageOf(topology: Topology): string {
  return `no primary to send this to: ${whyNoPrimary(topology)}`;
}

function splitBrain(rivals: readonly NodeState[], cause: unknown): PgMcpError {
  const names = rivals.map(({ name }) => name).join(' and ');
  return new PgMcpError(
    'SPLIT_BRAIN',
    `no primary to send this to: ${names} are writable on the same timeline, and may have taken different writes since; stop one of them, or set default_transaction_read_only on it, compare their data, and rebuild it from the other as a standby`,
    { cause, safeToRetry: true },
  );
}
