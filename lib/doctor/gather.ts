import { availableParallelism } from 'node:os';
import type { Clock } from '../clock.js';
import type { ClusterSettings, NodeSettings, Role } from '../config/settings.js';
import { describeError } from '../errors.js';
import { NodeSession } from '../failover/node-session.js';
import { PatroniClient } from '../failover/patroni-client.js';
import { readRights } from '../failover/rights.js';
import type { ConnectOptions, Driver } from '../pool/driver.js';
import { isSeen, type Facts, type NodeFacts, type PatroniFacts, type Seen } from './facts.js';
import { readAccount } from './read-account.js';
import { readMetrics } from './read-metrics.js';
import { readServer } from './read-server.js';

/** How the connections of a cluster are opened, each as its own account. */
export interface ConnectAs {
  monitor(node: NodeSettings): ConnectOptions;
  failover(node: NodeSettings): ConnectOptions;
  pool(node: NodeSettings, role: Role): ConnectOptions;
}

export interface GatherParts {
  readonly settings: ClusterSettings;
  readonly driver: Driver;
  readonly clock: Clock;
  readonly wallClock: () => number;
  readonly connectAs: ConnectAs;
}

/** Longer than a probe's: one slow answer is no finding. */
const QUESTION_TIMEOUT_MS = 5_000;

/** Looks at everything, writing nothing. What can't be seen is a fact too: it never rejects for it. */
export async function gather(
  parts: GatherParts,
  asked: Pick<Facts, 'processes' | 'middleboxTimeoutMs'> & { readonly metricsUrl?: string },
): Promise<Facts> {
  const { metricsUrl, ...given } = asked;
  const { settings } = parts;
  const [nodes, metrics, patroni] = await Promise.all([
    Promise.all(settings.nodes.map((node) => gatherNode(node, parts))),
    metricsUrl === undefined ? undefined : readMetrics(metricsUrl, QUESTION_TIMEOUT_MS),
    settings.failover.mode === 'patroni' ? readPatroni(parts) : undefined,
  ]);
  return {
    ...given,
    settings,
    nodes,
    cores: availableParallelism(),
    ...(metrics && { metrics }),
    ...(patroni && { patroni }),
  };
}

async function gatherNode(node: NodeSettings, parts: GatherParts): Promise<NodeFacts> {
  const { settings, wallClock, connectAs } = parts;
  const { applicationName } = settings.pool;
  const server = await ask(parts, connectAs.monitor(node), (session, greetedBy) =>
    readServer({ session, greetedBy, applicationName, wallClock }),
  );
  const role = isSeen(server) ? server.role : node.configuredRole;
  const [account, rights] = await Promise.all([
    ask(parts, connectAs.pool(node, role), (session) => readAccount(session, role)),
    settings.failover.mode === 'promote' ? ask(parts, connectAs.failover(node), readRights) : undefined,
  ]);
  return { settings: node, server, account, ...(rights && { rights }) };
}

/** A connection of its own for some questions; what fails is told as what was not seen. */
async function ask<T>(
  { driver, clock, settings }: GatherParts,
  options: ConnectOptions,
  questions: (session: NodeSession, greetedBy: number | undefined) => Promise<T>,
): Promise<Seen<T>> {
  let session: NodeSession | undefined;
  try {
    const connection = await driver.connect(
      // By its name it counts for none of the processes.
      { ...options, identify: false, applicationName: `${settings.pool.applicationName} doctor` },
      clock,
    );
    session = new NodeSession(options.node, connection, clock, QUESTION_TIMEOUT_MS);
    return await questions(session, connection.processId);
  } catch (error) {
    return { unseen: describeError(error) };
  } finally {
    await session?.end();
  }
}

async function readPatroni({ settings, clock }: GatherParts): Promise<PatroniFacts> {
  try {
    const { patroni } = settings.failover;
    const members = await new PatroniClient(patroni, clock).cluster(new AbortController().signal);
    return { members: members.length, leader: members.find(({ role }) => role === 'leader')?.name };
  } catch (error) {
    return { unseen: describeError(error) };
  }
}
