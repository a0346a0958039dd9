import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { PgCluster } from 'nestjs-pg-mcp';
import type { NodeAddress } from './way.js';

/** A row of the table `bulk (name text, age int)`. */
export interface BulkRow {
  readonly name: string;
  readonly age: number;
}

export function* bulkRows(count: number): Generator<BulkRow> {
  for (let i = 0; i < count; i++) yield { name: `name of ${i}`, age: i % 100 };
}

/** Brings rows into `bulk`. */
export interface BulkWay {
  readonly name: string;
  readonly label: string;
  run(count: number): Promise<unknown>;
}

const ROWS_PER_STATEMENT = 1_000;

export function bulkWays(cluster: PgCluster, primary: NodeAddress, fileOf: (count: number) => string) {
  return {
    psql: way('psql', '`psql \\copy` of a file', (count) => psqlCopy(primary, fileOf(count))),
    single: way('single', 'INSERT, row by row', (count) => rowByRow(cluster, count)),
    values: way('values', `INSERT, VALUES of ${ROWS_PER_STATEMENT} rows`, (count) =>
      manyValues(cluster, count),
    ),
    unnest: way('unnest', '`insertMany` (UNNEST)', (count) => cluster.insertMany('bulk', bulkRows(count))),
    text: way('text', '`copyFrom`, text', (count) => cluster.copyFrom('bulk', {}, bulkRows(count))),
    binary: way('binary', '`copyFrom`, binary', (count) =>
      cluster.copyFrom('bulk', { format: 'binary' }, bulkRows(count)),
    ),
  };
}

function way(name: string, label: string, run: BulkWay['run']): BulkWay {
  return { name, label, run };
}

async function rowByRow(cluster: PgCluster, count: number): Promise<void> {
  for (const { name, age } of bulkRows(count))
    await cluster.query('INSERT INTO bulk (name, age) VALUES ($1, $2)', [name, age]);
}

async function manyValues(cluster: PgCluster, count: number): Promise<void> {
  let values: unknown[] = [];
  const insert = () => {
    const places = Array.from({ length: values.length / 2 }, (_, i) => `($${i * 2 + 1}, $${i * 2 + 2})`);
    return cluster.query(`INSERT INTO bulk (name, age) VALUES ${places.join(', ')}`, values);
  };
  for (const { name, age } of bulkRows(count)) {
    values.push(name, age);
    if (values.length < ROWS_PER_STATEMENT * 2) continue;
    await insert();
    values = [];
  }
  if (values.length > 0) await insert();
}

async function psqlCopy({ host, port, user, password, database }: NodeAddress, file: string): Promise<void> {
  const args = ['-X', '-q', '-h', host, '-p', String(port), '-U', user, '-d', database];
  const child = spawn('psql', [...args, '-c', `\\copy bulk (name, age) FROM '${file}'`], {
    env: { ...process.env, PGPASSWORD: password },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`psql: ${said.trim()}`);
}
