import type { EmbeddedCluster } from '../embedded-cluster.js';
import type { EmbeddedNode } from '../embedded-node.js';
import { failure } from '../failure.js';
import { until } from '../until.js';
import type { DrilledCluster } from './drilled-cluster.js';

const NOTICE_DEADLINE_MS = 30_000;

/** Cuts a node off the network, for everybody; what it returns mends that. */
export type Cut = (node: EmbeddedNode) => Promise<() => Promise<void>>;

export interface Stage {
  readonly servers: EmbeddedCluster;
  readonly cluster: DrilledCluster;
  readonly cut?: Cut;
}

export interface Struck {
  /** From when a write could succeed, of `performance.now()`: when the fault was, or when somebody had promoted. */
  readonly writableAt: number;
  /** Undoes what would hinder a clean end, and brings all nodes back as replicas. */
  readonly mend: () => Promise<void>;
}

export interface Fault {
  readonly title: string;
  /** Whether another primary comes of it. */
  readonly movesPrimary: boolean;
  strike(stage: Stage): Promise<Struck>;
}

export const FAULTS = {
  'kill-primary': {
    title: 'primary killed (SIGKILL)',
    movesPrimary: true,
    async strike({ servers }) {
      const { primary } = servers;
      const writableAt = performance.now();
      await primary.kill();
      return { writableAt, mend: () => servers.rejoin(primary) };
    },
  },
  'freeze-primary': {
    title: 'primary frozen (SIGSTOP)',
    movesPrimary: true,
    async strike({ servers }) {
      const { primary } = servers;
      const writableAt = performance.now();
      await primary.freeze();
      return { writableAt, mend: () => servers.rejoin(primary) };
    },
  },
  'cut-primary': {
    title: 'primary unreachable',
    movesPrimary: true,
    async strike({ servers, cut }) {
      if (!cut) throw failure('to cut a node off takes `cut`');
      const { primary } = servers;
      const writableAt = performance.now();
      const join = await cut(primary);
      return {
        writableAt,
        async mend() {
          await join();
          await servers.rejoin(primary);
        },
      };
    },
  },
  'kill-replica': {
    title: 'replica killed (SIGKILL)',
    movesPrimary: false,
    async strike({ servers }) {
      const replica = aReplica(servers);
      const writableAt = performance.now();
      await replica.kill();
      return { writableAt, mend: () => replica.start() };
    },
  },
  'freeze-replica': {
    title: 'replica frozen (SIGSTOP)',
    movesPrimary: false,
    async strike({ servers }) {
      const replica = aReplica(servers);
      const writableAt = performance.now();
      await replica.freeze();
      return { writableAt, mend: () => replica.thaw() };
    },
  },
  switchover: {
    title: 'planned switchover',
    movesPrimary: true,
    async strike({ servers, cluster }) {
      const { primary } = servers;
      const writableAt = performance.now();
      await cluster.switchover();
      return { writableAt, mend: () => servers.rejoin(primary) };
    },
  },
  'promote-other': {
    title: 'promoted by someone else, once the killed primary was missed',
    movesPrimary: true,
    async strike({ servers, cluster }) {
      const { primary } = servers;
      await primary.kill();
      await until(() => cluster.getStatus().primary === undefined, {
        deadlineMs: NOTICE_DEADLINE_MS,
        what: 'the primary to be missed',
      });
      const replica = await mostAdvanced(servers);
      await replica.promote();
      const writableAt = performance.now();
      await follow(servers, replica);
      return { writableAt, mend: () => servers.rejoin(primary) };
    },
  },
} satisfies Record<string, Fault>;

export type FaultName = keyof typeof FAULTS;

function aReplica({ replicas }: EmbeddedCluster): EmbeddedNode {
  const [replica] = replicas;
  if (!replica) throw failure('a drill takes a replica at least');
  return replica;
}

/** What whoever promotes does about the other replicas. */
async function follow({ replicas }: EmbeddedCluster, { port }: EmbeddedNode): Promise<void> {
  for (const other of replicas) {
    const { rows } = await other.query<{ conninfo: string }>(
      `SELECT quote_literal(current_setting('primary_conninfo') || ' port=${port}') AS conninfo`,
    );
    await other.query(`ALTER SYSTEM SET primary_conninfo = ${rows[0]?.conninfo}`);
    await other.query('SELECT pg_reload_conf()');
  }
}

/** Whom one promotes who wants to lose nothing, and have the others follow. */
async function mostAdvanced({ replicas }: EmbeddedCluster): Promise<EmbeddedNode> {
  const positions = await Promise.all(
    replicas.map(async (node) => {
      const { rows } = await node.query<{ at: number }>(
        `SELECT pg_wal_lsn_diff(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0')::float8 AS at`,
      );
      return { node, at: rows[0]?.at ?? 0 };
    }),
  );
  const [first] = positions.toSorted((a, b) => b.at - a.at);
  if (!first) throw failure('a drill takes a replica at least');
  return first.node;
}
