import { expect, test } from 'vitest';
import { plainSecrets } from '../../lib/config/plain-secrets.js';

const master = (password: string) => ({ masters: [{ host: 'db1', user: 'app', password }] });

test.each<[string, Record<string, unknown>, string[]]>([
  ['a password', master('hunter2'), ['masters[0].password']],
  ['a variable', master('${DB_PASSWORD}'), []],
  ['a file', master('${file:/run/secrets/db}'), []],
  ['an encrypted value', master('${enc:v1:abc}'), []],
  ['a variable whose default is one', master('${DB_PASSWORD:-hunter2}'), ['masters[0].password']],
  ['a variable whose default is empty', master('${DB_PASSWORD:-}'), []],
  ['a plain ${', master('$${DB_PASSWORD}'), ['masters[0].password']],
  ['none', { masters: [{ host: 'db1', user: 'app' }] }, []],
  ['an empty one', master(''), []],
  ['a URL', { replicas: ['postgres://app:hunter2@db2/shop'] }, ['replicas[0]']],
  ['a URL with a variable', { replicas: ['postgres://app:${DB_PASSWORD}@db2/shop'] }, []],
  ['a URL without', { replicas: ['postgres://app@db2:5432/shop'] }, []],
  ['the monitor', { monitor: { user: 'm', password: 'hunter2' } }, ['monitor.password']],
  ['the session', { session: { secret: 'sixteen-and-more' } }, ['session.secret']],
  [
    'what opens a key',
    { masters: [{ ssl: { key: '${file:k}', passphrase: 'x' } }] },
    ['masters[0].ssl.passphrase'],
  ],
  [
    'Patroni',
    { failover: { patroni: { urls: ['http://db1:8008'], password: 'x' } } },
    ['failover.patroni.password'],
  ],
])('%s', (_what, file, paths) => {
  expect(plainSecrets(file)).toEqual(paths);
});
