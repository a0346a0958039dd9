import { Client } from 'pg';
import type { QueryResult, Row } from '../query.js';

const CONNECT_TIMEOUT_MS = 10_000;

/** Runs `work` on a connection of its own, which ends with it. */
export async function withClient<T>(
  connectionString: string,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new Client({ connectionString, ssl: false, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  // A connection that breaks also fails its query; without a listener it would end the process.
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/** One statement on a connection of its own. */
export function queryOnce<R = Row>(
  connectionString: string,
  text: string,
  values?: readonly unknown[],
): Promise<QueryResult<R>> {
  return withClient(connectionString, (client) => client.query<never>(text, values && [...values]));
}

/** The same server and account, another database. */
export function inDatabase(connectionString: string, database: string): string {
  const url = new URL(connectionString);
  url.pathname = `/${encodeURIComponent(database)}`;
  return url.href;
}
