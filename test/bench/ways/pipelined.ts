import pg from 'pg';
import { READ } from '../harness/schema.js';
import type { Account, OpenWay } from './way.js';

const CLIENTS_PER_NODE = 4;

/** A few bare clients in pipeline mode with a prepared statement, in turn: what the driver can do at best. */
export const openPipelined: OpenWay = async ({ primary, replicas }) => {
  const nodes = replicas.length > 0 ? replicas : [primary];
  // The next one in turn is of another node.
  const clients = Array.from({ length: CLIENTS_PER_NODE }, () =>
    nodes.map((node) => new pg.Client({ ...node, pipeline: true })),
  ).flat();
  await Promise.all(clients.map((client) => client.connect()));
  let turn = 0;
  const next = () => {
    const client = clients[turn++ % clients.length];
    if (!client) throw new Error('there are clients');
    return client;
  };
  return {
    read: async (id) => {
      const { rows } = await next().query<Account>({ name: 'the_one', text: READ, values: [id] });
      return rows[0];
    },
    run: (text) => next().query(text),
    close: async () => void (await Promise.all(clients.map((client) => client.end()))),
  };
};
