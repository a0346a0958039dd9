import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import pg from 'pg';
import type { NodeAddress, Target } from '../ways/way.js';
import { until } from './until.js';
import { SCHEMA } from './schema.js';

/** Each way keeps connections of its own; their buffers are small so that many servers fit. */
const SETTINGS = { max_connections: '300', shared_buffers: '32MB' };

/** A primary and replicas with the benchmarks' tables. */
export class Servers implements AsyncDisposable {
  readonly cluster: EmbeddedCluster;

  private constructor(cluster: EmbeddedCluster) {
    this.cluster = cluster;
  }

  static async start(replicas: number): Promise<Servers> {
    const cluster = await EmbeddedCluster.start({ replicas, settings: SETTINGS });
    const servers = new Servers(cluster);
    try {
      await servers.#prepare();
      return servers;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** What the ways are opened on, with so many of the replicas. */
  target(connections: number, replicas = this.cluster.replicas.length): Target {
    const { masters, replicas: all, monitor } = this.cluster.config;
    const [primary] = masters;
    if (!primary) throw new Error('the cluster has a primary');
    return { primary, replicas: all.slice(0, replicas), monitor, connections };
  }

  /** A connection to the primary as the owner of the tables, for what the benchmark itself does there. */
  async connect(): Promise<pg.Client> {
    const client = new pg.Client({ ...this.target(1).primary });
    await client.connect();
    return client;
  }

  async version(): Promise<string> {
    const client = await this.connect();
    try {
      const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
      return rows[0]?.server_version ?? 'unknown';
    } finally {
      await client.end();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.cluster.stop();
  }

  async #prepare(): Promise<void> {
    const client = await this.connect();
    try {
      await client.query(SCHEMA);
      // A replica can't set hint bits of its own for the others to see: they come with the pages.
      await client.query('VACUUM (FREEZE, ANALYZE) account');
      // What comes last in the log says that the rest was replayed.
      await client.query('CREATE TABLE prepared ()');
      for (const replica of this.target(1).replicas) await replayed(replica);
    } finally {
      await client.end();
    }
  }
}

async function replayed(replica: NodeAddress): Promise<void> {
  const client = new pg.Client({ ...replica });
  await client.connect();
  try {
    await until(`${replica.name} has replayed the tables`, async () => {
      const { rows } = await client.query<{ there: boolean }>(
        `SELECT to_regclass('prepared') IS NOT NULL AS there`,
      );
      return rows[0]?.there === true;
    });
  } finally {
    await client.end();
  }
}
