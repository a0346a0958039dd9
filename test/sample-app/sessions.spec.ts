import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseExposition } from '../support/exposition.js';
import { sure } from '../support/sure.js';
import { until } from '../support/until.js';
import { Child, compileIfMissing } from './child.js';
import { configFile } from './running-app.js';

const PAIRS = 500;
const AT_A_TIME = 16;
const SECRET = 'the same in every process';

let servers: EmbeddedCluster;
let config: Awaited<ReturnType<typeof configFile>>;
let processes: Child[];
/** Where one application takes orders, and another tells of them. */
let [here, there] = ['', ''];
let product = 0;

beforeAll(async () => {
  await compileIfMissing();
  servers = await EmbeddedCluster.start({ replicas: 2 });
  // However long replay is paused here, they go on to take reads.
  config = await configFile({ ...servers.config, routing: { max_lag: '10m' } });
  const env = { DB_CLUSTER_CONFIG: config.path, PG_MCP_SESSION_SECRET: SECRET };
  processes = [Child.node(env), Child.node(env)];
  [here = '', there = ''] = await Promise.all(processes.map((child) => child.url()));
  const created = await fetch(`${here}/products`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'Kettle', category: 'kitchen', price: 1, stock: 1_000_000 }),
  });
  product = ((await created.json()) as { id: number }).id;
  await until(async () => (await fetch(`${there}/products/${product}`)).ok, {
    deadlineMs: 5_000,
    what: 'the product everywhere',
  });
}, 120_000);

afterAll(async () => {
  for (const child of processes) {
    child.signal('SIGTERM');
    await child.ended();
  }
  await config[Symbol.asyncDispose]();
  await servers.stop();
});

interface Ordered {
  readonly id: number;
  readonly cookie: string;
  readonly header: string;
}

async function order(): Promise<Ordered> {
  const response = await fetch(`${here}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ userId: 1, items: [{ productId: product, quantity: 1 }] }),
  });
  expect(response.status).toBe(201);
  const { id } = (await response.json()) as { id: number };
  const [cookie = ''] = sure(response.headers.getSetCookie()[0]).split(';', 1);
  return { id, cookie, header: response.headers.get('x-pg-session') ?? '' };
}

const find = (id: number, headers: Record<string, string>) => fetch(`${there}/orders/${id}`, { headers });

async function counter(url: string, name: string, labels: Record<string, string>): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return parseExposition(text).value(name, labels) ?? 0;
}

const readsOnReplicas = () =>
  counter(there, 'db_routing_decisions_total', { target: 'replica', reason: 'read' });

async function pairs(readAfter: (ordered: Ordered) => Promise<void>): Promise<void> {
  let left = PAIRS;
  const worker = async () => {
    while (left-- > 0) await readAfter(await order());
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
}

async function onReplicas(...statements: string[]): Promise<void> {
  for (const replica of servers.replicas) for (const statement of statements) await replica.query(statement);
}

describe('who ordered in one process finds the order in another', () => {
  it('with the cookie, while replay is delayed; and from the replicas when they have it', async () => {
    await onReplicas(`ALTER SYSTEM SET recovery_min_apply_delay = '200ms'`, 'SELECT pg_reload_conf()');
    const missing: number[] = [];
    const ordered: Ordered[] = [];
    await pairs(async (each) => {
      ordered.push(each);
      if ((await find(each.id, { cookie: each.cookie })).status !== 200) missing.push(each.id);
    });
    expect(missing).toEqual([]);
    const last = sure(ordered.at(-1));
    // Nobody's session has written there: what it reads is what a replica has.
    await until(async () => (await find(last.id, {})).ok, { deadlineMs: 5_000, what: 'the replicas' });
    // And the other process knows that they have it.
    const isOnReplica = async () => {
      const before = await readsOnReplicas();
      await find(last.id, { cookie: last.cookie });
      return (await readsOnReplicas()) > before;
    };
    await until(isOnReplica, { deadlineMs: 5_000, what: 'it to be known' });
    const before = await readsOnReplicas();
    for (const { id, cookie } of ordered) expect((await find(id, { cookie })).status).toBe(200);
    expect((await readsOnReplicas()) - before).toBe(PAIRS);
  }, 120_000);

  it('with the cookie or the header, while replay is paused', async () => {
    await onReplicas('ALTER SYSTEM RESET recovery_min_apply_delay', 'SELECT pg_reload_conf()');
    for (const replica of servers.replicas) await replica.pauseReplay();
    const before = await readsOnReplicas();
    const missing: number[] = [];
    await pairs(async ({ id, cookie, header }) => {
      const headers: Record<string, string> = id % 2 === 0 ? { cookie } : { 'x-pg-session': header };
      if ((await find(id, headers)).status !== 200) missing.push(id);
    });
    expect(missing).toEqual([]);
    expect(await readsOnReplicas()).toBe(before);
    expect((await find((await order()).id, {})).status).toBe(404);
    for (const replica of servers.replicas) await replica.resumeReplay();
  }, 120_000);

  it('but not with a token that somebody made up: it is ignored, and counted', async () => {
    for (const replica of servers.replicas) await replica.pauseReplay();
    const { id, header } = await order();
    const forged = `${header.slice(0, -1)}${header.endsWith('A') ? 'B' : 'A'}`;
    const invalid = () => counter(there, 'db_session_tokens_ignored_total', { reason: 'invalid' });
    const before = await invalid();
    expect((await find(id, { 'x-pg-session': forged })).status).toBe(404);
    expect((await find(id, { cookie: 'pg_session=nonsense' })).status).toBe(404);
    expect((await invalid()) - before).toBe(2);
    for (const replica of servers.replicas) await replica.resumeReplay();
  });
});
