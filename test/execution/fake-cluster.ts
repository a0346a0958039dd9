import { PgCluster, type ClusterOptions } from 'nestjs-pg-mcp';
import { FakeDriver, ManualClock, type FakeAnswer, type FakeConnection } from 'nestjs-pg-mcp/testing';

/** What the fake servers say of themselves; a test changes it and lets the next probe see it. */
export interface FakeNode {
  standby: boolean;
  timeline: number;
  replayed: number;
  /** `default_transaction_read_only`. */
  readOnly?: boolean;
  /** Of a primary: where it left the timeline before. */
  forkedAt?: number;
}

type Answer = (text: string, connection: FakeConnection) => FakeAnswer | Promise<FakeAnswer> | undefined;

export interface FakeCluster extends AsyncDisposable {
  readonly cluster: PgCluster;
  readonly clock: ManualClock;
  readonly driver: FakeDriver;
  readonly nodes: Record<'p' | 'r1' | 'r2', FakeNode>;
  /** Answers what is no probe; the default where it gives undefined. */
  answer: Answer;
  /** The statements that reached a node, without probes and the pool's own. */
  sent(node: string): readonly string[];
  /** Has every node probed, and what follows from that done. */
  probe(): Promise<void>;
}

const node = (name: string, port: number) => ({
  name,
  host: '127.0.0.1',
  port,
  user: 'app',
  password: 'secret',
  database: 'app',
});

const isProbe = (text: string) => text.includes('pg_is_in_recovery() AS standby');
/** Of a database without anything of its own, and a server whose functions nobody calls. */
const isOfCatalog = (text: string) => /\bpg_[a-z]+\b|server_version_num/.test(text);

/** A connected cluster of a primary `p` and the replicas `r1` and `r2`, without a server and with time by hand. */
export async function fakeCluster(options: ClusterOptions = {}, random = () => 0): Promise<FakeCluster> {
  const driver = new FakeDriver();
  const clock = new ManualClock();
  const nodes: FakeCluster['nodes'] = {
    p: { standby: false, timeline: 1, replayed: 0 },
    r1: { standby: true, timeline: 1, replayed: 100 },
    r2: { standby: true, timeline: 1, replayed: 100 },
  };
  const config = {
    masters: [node('p', 1)],
    replicas: [node('r1', 2), node('r2', 3)],
  };
  driver.identity = () => ({ startedAt: 'then', searchPath: '[]' });
  const cluster = PgCluster.fromConfig(config, options, { clock, driver, random });
  const fake: FakeCluster = {
    cluster,
    clock,
    driver,
    nodes,
    answer: () => undefined,
    sent: (name) =>
      driver.connections
        .filter(({ options }) => options.node === name)
        .flatMap(({ statements }) => statements)
        .filter((text) => !isProbe(text) && !isOfCatalog(text) && text !== 'DISCARD ALL'),
    probe: async () => {
      await cluster.healthCheck();
    },
    async [Symbol.asyncDispose]() {
      await cluster.close();
    },
  };
  driver.answer = (statement, connection) => {
    const state = nodes[connection.options.node as keyof typeof nodes];
    if (isProbe(statement.text)) return [probeRow(state, connection.options.node)];
    if (isOfCatalog(statement.text)) return [];
    return fake.answer(statement.text, connection) ?? [{ node: connection.options.node }];
  };
  await cluster.connect();
  return fake;
}

function probeRow({ standby, timeline, replayed, forkedAt, readOnly }: FakeNode, name: string) {
  const position = `0/${replayed.toString(16)}`;
  const fork = forkedAt === undefined ? null : `0/${forkedAt.toString(16)}`;
  return {
    standby,
    read_only: !standby && readOnly === true,
    system_id: '7000000000000000001',
    // Two primaries are two servers.
    server_started_at: standby ? 'then' : `then, as ${name}`,
    timeline,
    replay_timeline: standby ? timeline : null,
    insert_lsn: standby ? null : '0/64',
    segment_bytes: 16 * 1024 * 1024,
    received_lsn: standby ? position : null,
    replayed_lsn: standby ? position : fork,
    replay_paused: standby ? false : null,
    receiver: standby ? 'streaming' : null,
  };
}
