import { describe, expect, it } from 'vitest';
import { refuseMisfit, type TransactionModes } from '../../lib/transaction-modes.js';

const deferred = { isolation: 'serializable', readOnly: true, deferrable: true } as const;

const asks = (outer: TransactionModes, inner: TransactionModes) => {
  try {
    refuseMisfit(outer, inner);
    return 'joins';
  } catch (error) {
    return (error as Error).message.split(';')[0]?.replace(' within a transaction() that is ', ' in ');
  }
};

describe('a block within a transaction', () => {
  it.each<[TransactionModes, TransactionModes, string]>([
    [{}, {}, 'joins'],
    [{}, { isolation: 'read uncommitted' }, 'joins'],
    [{}, { isolation: 'read committed' }, 'joins'],
    [{ isolation: 'read uncommitted' }, { isolation: 'read committed' }, 'joins'],
    [{ isolation: 'serializable' }, { isolation: 'repeatable read' }, 'joins'],
    [{ isolation: 'repeatable read' }, { isolation: 'repeatable read', readOnly: true }, 'joins'],
    [{ readOnly: true }, {}, 'joins'],
    [{ readOnly: false }, { readOnly: false }, 'joins'],
    [{}, { deferrable: true }, 'joins'],
    [{ isolation: 'serializable' }, { isolation: 'serializable', deferrable: true }, 'joins'],
    [deferred, deferred, 'joins'],
    [
      {},
      { isolation: 'repeatable read' },
      "isolation: 'repeatable read' in read committed: a savepoint has what the transaction around it was begun with",
    ],
    [
      { isolation: 'repeatable read' },
      { isolation: 'serializable' },
      "isolation: 'serializable' in repeatable read: a savepoint has what the transaction around it was begun with",
    ],
    [
      { readOnly: true },
      { readOnly: false },
      'readOnly: false in read-only: a savepoint has what the transaction around it was begun with',
    ],
    [
      { isolation: 'serializable' },
      deferred,
      'deferrable: true in not deferrable: a savepoint has what the transaction around it was begun with',
    ],
  ])('of %j that is %j: %s', (outer, inner, expected) => {
    expect(asks(outer, inner)).toBe(expected);
  });

  it('is refused with a code, and what to do', () => {
    expect(() => refuseMisfit({}, { isolation: 'serializable' })).toThrow(
      expect.objectContaining({
        code: 'SESSION_STATEMENT',
        message: expect.stringContaining(
          "give that isolation: 'serializable', as an option of the outermost transaction()",
        ),
      }),
    );
  });
});
