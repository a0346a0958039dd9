import pg from 'pg';
import { PgCluster, type ClusterOptions } from 'nestjs-pg-mcp';
import { freshDatabase } from '../support/cluster.js';
import { until } from '../support/until.js';

const LOCKED = `SELECT count(*)::int AS n FROM pg_locks
  WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

/** A cluster on a database of its own, with a table `people`, which the replicas have too. */
export async function peopleCluster(options: ClusterOptions = {}) {
  const { config, adminUrl } = await freshDatabase();
  const cluster = PgCluster.fromConfig(config, options);
  await cluster.connect();
  await cluster.query('CREATE TABLE people (id int PRIMARY KEY, name text, age int)');
  // So that the catalog is read anew.
  await cluster.explainRoute('SELECT name FROM people');
  const active = () => cluster.getStatus().activeConnections;
  const allBack = () =>
    until(() => active() === 0, { deadlineMs: 5_000, what: 'every connection to come back' });
  const count = async () => {
    const { rows } = await cluster.useMaster(() =>
      cluster.query<{ n: number }>('SELECT count(*)::int n FROM people'),
    );
    return rows[0]?.n;
  };
  /** Somebody else, who holds locks. */
  const admin = new pg.Client(adminUrl);
  await admin.connect();
  const waitsForLock = () =>
    until(
      async () => {
        const { rows } = await admin.query<{ n: number }>(LOCKED);
        return (rows[0]?.n ?? 0) > 0;
      },
      { deadlineMs: 5_000, what: 'somebody to wait for a lock' },
    );
  const close = async () => {
    await cluster.close();
    await admin.end();
  };
  return { cluster, active, allBack, count, admin, waitsForLock, close };
}

export interface Person {
  readonly id: number;
  readonly name: string | null;
  readonly age: unknown;
}

/** People without end, unless a number is given; counts how many were asked for. */
export function manyPeople(most = Infinity) {
  const made = { count: 0, isLeft: false };
  function* people(): Generator<Person> {
    try {
      while (made.count < most) {
        made.count++;
        yield { id: made.count, name: `name of ${made.count}`, age: made.count % 100 };
      }
    } finally {
      made.isLeft = true;
    }
  }
  return { made, people: people() };
}
