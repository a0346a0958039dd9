import type { ClusterSettings } from '../config/settings.js';
import { describeError } from '../errors.js';
import type { EngineParts } from './engine.js';
import { NodeSession } from './node-session.js';
import { describeMissing, readRights, type Rights } from './rights.js';

export interface PromoteChecks {
  /** Why nothing can be promoted. */
  readonly reduced?: string;
  readonly warnings: readonly string[];
}

/** A receiver that hears nothing gives up after that time only. */
const LONG_RECEIVER_TIMEOUT_MS = 10_000;

interface NodeFindings extends Rights {
  readonly node: string;
  readonly standby: boolean;
  readonly synchronous: string;
  readonly receiverTimeoutMs: number;
}

export async function readFindings(session: NodeSession): Promise<NodeFindings> {
  const rights = await readRights(session);
  const { standby, synchronous, receiver } = await session.row<{
    standby: boolean;
    synchronous: string;
    receiver: number;
  }>(
    `SELECT pg_is_in_recovery() AS standby, current_setting('synchronous_standby_names') AS synchronous,
            setting::int AS receiver
       FROM pg_settings WHERE name = 'wal_receiver_timeout'`,
  );
  return { ...rights, node: session.node, standby, synchronous, receiverTimeoutMs: receiver };
}

/** What an operator should know before the first failover. Pure. */
export function judgeFindings(
  findings: readonly NodeFindings[],
  { nodes, failover }: Pick<ClusterSettings, 'nodes' | 'failover'>,
): PromoteChecks {
  const lacking = findings.find(({ needed }) => needed.length > 0);
  const unfit = findings.find(({ useful }) => useful.length > 0);
  const warnings: string[] = [];
  if (lacking) {
    const reduced = `${lacking.node}: ${describeMissing([...lacking.needed, ...lacking.useful], lacking.database)}`;
    return { reduced, warnings };
  }
  if (unfit) warnings.push(`${unfit.node}: ${describeMissing(unfit.useful, unfit.database)}`);
  if (failover.withoutQuorum)
    warnings.push('failover.without_quorum is set: two primaries may come of a partition');
  else if (nodes.length < 3)
    warnings.push('with fewer than two replicas there never is a majority: nothing will be promoted');
  const primary = findings.find(({ standby }) => !standby);
  if (primary?.synchronous === '') {
    warnings.push(
      `${primary.node} has no synchronous_standby_names: writes that were acknowledged may be lost; ` +
        `'ANY 1 (…)' with the names of all nodes keeps them`,
    );
  }
  const slow = findings.filter(({ receiverTimeoutMs: ms }) => ms === 0 || ms > LONG_RECEIVER_TIMEOUT_MS);
  if (slow.length > 0) {
    warnings.push(
      `wal_receiver_timeout of ${slow.map(({ node }) => node).join(', ')} is longer than ` +
        `${LONG_RECEIVER_TIMEOUT_MS / 1_000} s: a primary that hangs is noticed late, and replaced late`,
    );
  }
  return { warnings };
}

/** Asks every node that answers. One that does not is not judged: rights are the same on all of them. */
export async function checkPromotion(parts: EngineParts): Promise<PromoteChecks> {
  const { settings, clock, monitor } = parts;
  const up = monitor.topology.nodes.filter(({ health }) => health === 'up');
  const findings = await Promise.all(
    up.map(async ({ name }) => {
      let session: NodeSession | undefined;
      try {
        const connection = await parts.connect(name);
        session = new NodeSession(name, connection, clock, settings.healthCheck.timeoutMs);
        return await readFindings(session);
      } catch (error) {
        return `the rights on ${name} could not be checked: ${describeError(error)}`;
      } finally {
        await session?.end();
      }
    }),
  );
  const { warnings, ...judged } = judgeFindings(
    findings.filter((finding) => typeof finding !== 'string'),
    settings,
  );
  return { ...judged, warnings: [...findings.filter((finding) => typeof finding === 'string'), ...warnings] };
}
