import { beforeAll, expect, it } from 'vitest';
import { loadParser } from '../../lib/routing/statement/syntax.js';
import { transactionControlIn } from '../../lib/routing/statement/transaction-control.js';

beforeAll(() => loadParser());

it.each<[string, unknown]>([
  ['BEGIN', { kind: 'begin', modes: {} }],
  [
    'start transaction isolation level Serializable, read only, deferrable',
    { kind: 'begin', modes: { isolation: 'serializable', readOnly: true, deferrable: true } },
  ],
  ['BEGIN READ WRITE NOT DEFERRABLE', { kind: 'begin', modes: { readOnly: false, deferrable: false } }],
  [
    'BEGIN READ ONLY; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;',
    { kind: 'begin', modes: { readOnly: true, isolation: 'repeatable read' } },
  ],
  [
    'SET TRANSACTION ISOLATION LEVEL READ COMMITTED',
    { kind: 'modes', modes: { isolation: 'read committed' } },
  ],
  ['COMMIT', { kind: 'commit' }],
  ['END', { kind: 'commit' }],
  ['ABORT', { kind: 'rollback' }],
  ['COMMIT AND CHAIN', { kind: 'mixed' }],
  [`PREPARE TRANSACTION 'x'`, { kind: 'mixed' }],
  ['BEGIN; INSERT INTO notes DEFAULT VALUES', { kind: 'mixed' }],
  ['INSERT INTO notes DEFAULT VALUES; COMMIT', { kind: 'mixed' }],
  ['SAVEPOINT one; ROLLBACK TO SAVEPOINT one', undefined],
  ['ROLLBACK TO SAVEPOINT one', undefined],
  [`SET TRANSACTION SNAPSHOT '0-1'`, undefined],
  ['SELECT 1', undefined],
])('%s', (text, expected) => {
  expect(transactionControlIn(text)).toEqual(expected);
});
