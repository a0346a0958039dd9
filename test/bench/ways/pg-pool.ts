import pg from 'pg';
import { READ, WRITE } from '../harness/schema.js';
import { textsOf } from './texts.js';
import { firstReplica, type Account, type NodeAddress, type OpenWay, type Target, type Way } from './way.js';

const { Pool } = pg;

/** No connection is closed between two slices: opening is not what is compared. */
const poolTo = (node: NodeAddress, { connections }: Target) =>
  new Pool({ ...node, max: connections, idleTimeoutMillis: 0 });

const reader = (pool: pg.Pool, name?: string, texts: readonly string[] = [READ]) => {
  let turn = 0;
  return async (id: number) => {
    const text = texts[turn++ % texts.length] ?? READ;
    const { rows } = await pool.query<Account>(name ? { name, text, values: [id] } : { text, values: [id] });
    return rows[0];
  };
};

const openWith =
  (name?: string): OpenWay =>
  async (target) => {
    const [reads, writes] = [poolTo(firstReplica(target), target), poolTo(target.primary, target)];
    return {
      read: reader(reads, name, textsOf(target)),
      write: async (account) => {
        await writes.query({ ...(name && { name }), text: WRITE, values: [account, 'a note'] });
      },
      run: (text) => reads.query(text),
      close: async () => void (await Promise.all([reads.end(), writes.end()])),
    } satisfies Way;
  };

/** The bare pool, each statement parsed anew. */
export const openPool = openWith();
/** The bare pool with a name for the statement, so that each connection prepares it once. */
export const openPreparedPool = openWith('the_one');

/** Round robin by hand over one pool for each replica. */
export const openPools: OpenWay = async (target) => {
  const pools = target.replicas.map((replica) => poolTo(replica, target));
  const readers = pools.map((pool) => reader(pool));
  let turn = 0;
  return {
    read: async (id) => readers[turn++ % readers.length]?.(id),
    close: async () => void (await Promise.all(pools.map((pool) => pool.end()))),
  };
};

/** The bare pool, through a proxy. */
export const openThroughProxy: OpenWay = async (target) => {
  if (!target.proxy) throw new Error('no proxy runs');
  const pool = poolTo(target.proxy, target);
  return { read: reader(pool), close: () => pool.end() };
};
