import pg from 'pg';
import { READ } from '../harness/schema.js';
import { firstReplica, type Account, type OpenWay } from './way.js';

const CLIENTS = 4;

/** A few bare clients in pipeline mode with a prepared statement, in turn: what the driver can do at best. */
export const openPipelined: OpenWay = async (target) => {
  const node = firstReplica(target);
  const clients = Array.from({ length: CLIENTS }, () => new pg.Client({ ...node, pipeline: true }));
  await Promise.all(clients.map((client) => client.connect()));
  let turn = 0;
  const next = () => {
    const client = clients[turn++ % CLIENTS];
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
