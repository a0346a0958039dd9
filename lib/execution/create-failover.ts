import type { Clock } from '../clock.js';
import type { ClusterSettings } from '../config/settings.js';
import { Failover } from '../failover/failover.js';
import { Journal, type JournalParts } from '../failover/journal.js';
import type { Driver } from '../pool/driver.js';
import type { NodePool } from '../pool/node-pool.js';
import type { Monitor } from '../topology/monitor.js';
import { failoverConnectOptions } from './connect-options.js';
import { attempt } from './listeners.js';
import type { Tally } from './tally.js';

export interface CreateFailoverParts extends Pick<JournalParts, 'cluster' | 'emit'> {
  readonly settings: ClusterSettings;
  readonly clock: Clock;
  readonly random: () => number;
  readonly driver: Driver;
  readonly monitor: Monitor;
  readonly pools: ReadonlyMap<string, NodePool>;
  readonly tally: Tally;
}

/** The failover of one cluster, connecting as its probes do. */
export function createFailover({
  cluster,
  emit,
  driver,
  tally,
  pools,
  ...parts
}: CreateFailoverParts): Failover {
  const { settings, clock } = parts;
  const { notificationCallback: callback } = settings.failover;
  const journal = new Journal({
    cluster,
    clock,
    emit(event) {
      emit(event);
      if (callback) attempt(`notificationCallback of cluster ${cluster}`, () => callback(event));
    },
    ended: (outcome, elapsedMs) => tally.failoverEnded(outcome, elapsedMs),
  });
  const optionsOf = new Map(
    settings.nodes.map((node) => [node.name, failoverConnectOptions(node, settings)]),
  );
  return new Failover({
    ...parts,
    journal,
    load: (node) => pools.get(node)?.load ?? 0,
    async connect(node, signal) {
      const options = optionsOf.get(node);
      if (!options) throw new Error(`no node ${node}`);
      return driver.connect(options, clock, signal);
    },
  });
}
