import { expect } from 'vitest';
import type { FakeCluster } from './fake-cluster.js';

export const READ = 'SELECT 7';
export const WRITE = 'INSERT INTO users VALUES (1)';
/** The name of either replica. */
export const REPLICA: unknown = expect.stringMatching(/^r[12]$/);

/** The node that serves a read, or another text. */
export async function nodeOf({ cluster }: FakeCluster, text = READ): Promise<string | undefined> {
  return (await cluster.query<{ node: string }>(text)).rows[0]?.node;
}

/** Runs a function in a session of its own. */
export function inSession<T>({ cluster }: FakeCluster, work: () => T): T {
  return cluster.session.resume(undefined, work);
}

/** Has every node tell its position, at a later time than now. */
export async function told(fake: FakeCluster): Promise<void> {
  await fake.clock.advance(1);
  await fake.probe();
}
