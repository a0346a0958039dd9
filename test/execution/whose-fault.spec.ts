import { expect, test } from 'vitest';
import { AcquireTimeoutError, ConnectionLostError } from '../../lib/errors.js';
import { isFaultOfNode } from '../../lib/execution/whose-fault.js';

const coded = (code: string) => Object.assign(new Error('x'), { code });

test.each<[string, unknown, boolean]>([
  ['a lost connection', new ConnectionLostError('a', 'unknown'), true],
  ['too many connections', coded('53300'), true],
  ['a shutdown', coded('57P01'), true],
  ['a missing file', coded('58P01'), true],
  ['corrupt data', coded('XX001'), true],
  ['a connection exception', coded('08006'), true],
  ['a time-out of the statement', coded('57014'), false],
  ['a syntax error', coded('42601'), false],
  ['a recovery conflict', coded('40001'), false],
  [
    'our own pool being full',
    new AcquireTimeoutError('a', 1, { total: 1, active: 1, idle: 0, pending: 1, max: 1 }),
    false,
  ],
  ['what is no error', 'x', false],
])('%s', (_, error, expected) => {
  expect(isFaultOfNode(error)).toBe(expected);
});
