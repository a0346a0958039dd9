import { delay, type Clock } from '../clock.js';
import type { ClusterSettings } from '../config/settings.js';
import { describeError, StartupError, type NodeFault } from '../errors.js';
import type { NodePool } from '../pool/node-pool.js';
import type { Monitor } from '../topology/monitor.js';
import { describeTrouble, nodeOf, type NodeState, type Topology } from '../topology/topology.js';

export interface StartUpParts {
  readonly settings: ClusterSettings;
  readonly clock: Clock;
  readonly monitor: Monitor;
  readonly pools: ReadonlyMap<string, NodePool>;
  /** Throws where the cluster was closed meanwhile. */
  refuseWhenClosed(): void;
}

/** Finds a primary and warms the pools, in as many attempts as are set; then leaves the monitor running. */
export async function startUp(parts: StartUpParts): Promise<void> {
  const { settings, clock, monitor } = parts;
  const { attempts, delayMs } = settings.startup;
  for (let attempt = 1; ; attempt++) {
    const faults = await tryOnce(parts);
    parts.refuseWhenClosed();
    if (faults === undefined) break;
    if (attempt >= attempts) throw new StartupError(summary(settings, attempts), faults);
    await delay(clock, delayMs);
    parts.refuseWhenClosed();
  }
  monitor.start();
}

function summary({ source }: ClusterSettings, attempts: number): string {
  return `the cluster of ${source} can't start (${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}):`;
}

/** Every node with its fault where the cluster can't start; else undefined. */
async function tryOnce({ monitor, pools }: StartUpParts): Promise<readonly NodeFault[] | undefined> {
  const topology = await monitor.probeAll();
  // Another system's node will never belong here: that is a mistake in the configuration.
  const hasStranger = topology.nodes.some((node) => node.trouble?.kind === 'other-system');
  if (topology.primary === undefined || hasStranger) return faultsOf(topology);
  const reachable = [...pools].filter(([name]) => nodeOf(topology, name)?.health === 'up');
  const warmed = await Promise.all(reachable.map(([name, pool]) => warm(name, pool)));
  const failure = warmed.find((fault) => fault?.node === topology.primary);
  return failure && [...faultsOf(topology).filter((fault) => fault.node !== failure.node), failure];
}

async function warm(node: string, pool: NodePool): Promise<NodeFault | undefined> {
  try {
    await pool.warm();
    return undefined;
  } catch (error) {
    return { node, reason: describeError(error) };
  }
}

function faultsOf(topology: Topology): readonly NodeFault[] {
  return topology.nodes.map((node) => ({ node: node.name, reason: faultOf(node, topology) }));
}

function faultOf(node: NodeState, topology: Topology): string {
  if (node.trouble && node.health !== 'up') return describeTrouble(node.trouble);
  if (node.name === topology.primary) return 'is the primary';
  if (!node.facts?.inRecovery) return 'answers, but its role is not clear';
  return node.settings.configuredRole === 'primary'
    ? 'is in recovery: configured as a master, but a replica now, and no other node is the primary'
    : 'is a replica';
}
