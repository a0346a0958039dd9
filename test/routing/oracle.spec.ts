import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadCatalog } from '../../lib/routing/catalog/load.js';
import { Classifier } from '../../lib/routing/classifier.js';
import { freshDatabase } from '../support/cluster.js';
import { sure } from '../support/sure.js';
import { until } from '../support/until.js';
import { products, readCorpus, readText, type Entry } from './corpus/corpus.js';
import { Oracle } from './corpus/oracle.js';

let oracle: Oracle;
let classifier: Classifier;

beforeAll(async () => {
  const { config, adminUrl, replicaUrls } = await freshDatabase();
  const { user, password } = sure(config.masters[0]);
  const asApp = (url: string) => {
    const changed = new URL(url);
    changed.username = user;
    changed.password = password;
    return changed.href;
  };
  const admin = new pg.Client(adminUrl);
  const app = new pg.Client(asApp(adminUrl));
  await admin.connect();
  await app.connect();
  await admin.query(readText('superuser.sql'));
  await app.query(readText('schema.sql'));
  const { rows } = await admin.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn');
  const replica = sure(replicaUrls[0]);
  const standby = new pg.Client(replica);
  await standby.connect();
  await until(
    async () => {
      const query = 'SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS done';
      return (await standby.query<{ done: boolean }>(query, [rows[0]?.lsn])).rows[0]?.done;
    },
    { deadlineMs: 20_000, what: 'the standby to replay the schema' },
  );
  classifier = await Classifier.create();
  classifier.use(await loadCatalog(app));
  await Promise.all([admin.end(), app.end(), standby.end()]);
  oracle = await Oracle.open(asApp(replica), asApp(adminUrl));
});

afterAll(() => oracle.close());

/** Runs every statement on the servers, and tells which are classified wrong and which needlessly kept back. */
async function judge(entries: readonly Entry[]) {
  const wrong: string[] = [];
  const keptBack: string[] = [];
  const unknown: string[] = [];
  let servable = 0;
  for (const { text, isFree } of entries) {
    const found = classifier.classify(text);
    if (isFree) continue;
    const { truth, because } = await oracle.ask(text);
    if (truth === 'unknown') unknown.push(`${text}  (${because})`);
    if (truth === 'primary' && found.kind === 'read') wrong.push(`${text}  (${because})`);
    if (truth !== 'replica') continue;
    servable++;
    if (found.kind !== 'read') keptBack.push(`${text}  (${found.reason}: ${found.detail})`);
  }
  return { wrong, keptBack, unknown, servable };
}

describe('what the servers say of a statement', () => {
  it.each([
    ['tricky', () => readCorpus('tricky'), 0.05],
    // Some places of these ask of a sequence no more than its sign, which every node has alike.
    ['products', products, 0.07],
    ['ordinary', () => readCorpus('ordinary'), 0.01],
  ] as const)(
    '%s: none that needs the primary counts as a read, and few reads are kept from a replica',
    async (name, entries, allowed) => {
      const all = entries();
      const { wrong, keptBack, unknown, servable } = await judge(all);
      const lines = [
        `${name}: ${all.length} statements, ${servable} for a replica, ${wrong.length} wrong, ${keptBack.length} kept back, ${unknown.length} refused everywhere`,
        ...wrong.map((line) => `  wrong: ${line}`),
        ...keptBack.map((line) => `  kept back: ${line}`),
        ...unknown.map((line) => `  refused: ${line}`),
      ];
      console.log(lines.join('\n'));
      expect(wrong).toEqual([]);
      expect(servable).toBeGreaterThan(50);
      expect(keptBack.length / servable).toBeLessThan(allowed);
    },
    120_000,
  );

  it('session statements are refused, each with what to use instead', () => {
    const others = readCorpus('session')
      .map(({ text }) => ({ text, found: classifier.classify(text) }))
      .filter(({ found }) => !(found.kind === 'session' && found.remedy.length > 5));
    expect(others).toEqual([]);
  });
});
