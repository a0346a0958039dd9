import { PgCluster, type ClusterOptions, type FailoverEvent } from 'nestjs-pg-mcp';
import { systemClock } from '../../lib/clock.js';
import { loadSettings } from '../../lib/config/index.js';
import { monitorConnectOptions } from '../../lib/execution/connect-options.js';
import { Journal } from '../../lib/failover/journal.js';
import { PatroniEngine } from '../../lib/failover/patroni.js';
import { pgDriver } from '../../lib/pool/pg-driver.js';
import { Monitor } from '../../lib/topology/monitor.js';
import type { PatroniCluster } from '../support/patroni.js';

export type PatroniAccess = PatroniCluster['access'];

export function optionsOf(access: Partial<PatroniAccess>): ClusterOptions {
  return {
    healthCheck: { interval: '200ms', timeout: '1s' },
    connectionPool: { acquireTimeout: '30s', connectionTimeout: '2s' },
    failover: { mode: 'patroni', patroni: { ...access, timeout: '1s' } },
  };
}

/** A cluster and what it told of its failovers. */
export async function connected(
  servers: PatroniCluster,
  access: Partial<PatroniAccess> = {},
): Promise<{ cluster: PgCluster; events: FailoverEvent[] } & AsyncDisposable> {
  const options = optionsOf({ ...servers.access, ...access });
  const cluster = PgCluster.fromConfig(servers.configOf('node1'), options);
  const events: FailoverEvent[] = [];
  cluster.on('failover', (event) => events.push(event));
  await cluster.connect();
  // That a primary is found is no news yet.
  events.splice(0, events.length, ...events.filter(({ step }) => step === 'warning'));
  return { cluster, events, [Symbol.asyncDispose]: () => cluster.close() };
}

/** The engine with a monitor of its own, and no pools. */
export async function engineAlone(servers: PatroniCluster, access: Partial<PatroniAccess> = {}) {
  const settings = loadSettings(servers.configOf('node1'), optionsOf({ ...servers.access, ...access }));
  const parts = { settings, clock: systemClock, random: Math.random };
  const monitor = new Monitor({
    ...parts,
    driver: pgDriver,
    connectOptions: (node) => monitorConnectOptions(node, settings),
    onChange: (next, previous) => engine.changed(next, previous),
  });
  const engine = new PatroniEngine({
    ...parts,
    monitor,
    journal: new Journal({ cluster: 'test', clock: systemClock, emit: () => {}, ended: () => {} }),
    connect: () => Promise.reject(new Error('nobody asks for one')),
  });
  await monitor.probeAll();
  monitor.start();
  await engine.start();
  const stop = async () => {
    await engine.stop();
    await monitor.stop();
  };
  return { engine, monitor, [Symbol.asyncDispose]: stop };
}

/** Writes one row after the other until it is stopped. */
export class Writer {
  readonly acknowledged: number[] = [];
  readonly failures: unknown[] = [];
  /** The longest time between two acknowledgements, in milliseconds. */
  longestGapMs = 0;
  #isStopped = false;
  readonly #done: Promise<void>;

  constructor(
    private readonly cluster: PgCluster,
    private readonly table: string,
  ) {
    this.#done = this.#write();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
  }

  async #write(): Promise<void> {
    let last = performance.now();
    for (let id = 1; !this.#isStopped; id++) {
      try {
        await this.cluster.query(`INSERT INTO ${this.table} VALUES ($1)`, [id]);
        this.acknowledged.push(id);
        this.longestGapMs = Math.max(this.longestGapMs, performance.now() - last);
        last = performance.now();
      } catch (error) {
        this.failures.push(error);
      }
    }
  }
}
