import { Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { Outbox } from '../../lib/pool/outbox.js';

const opened: Outbox[] = [];

/** An outbox, and the writes that came of it. */
function openOutbox({ isShared }: { isShared: boolean }): { outbox: Outbox; written: string[] } {
  const written: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  const outbox = new Outbox(() => stream);
  outbox.isShared = isShared;
  opened.push(outbox);
  return { outbox, written };
}

/** As answers that come in one turn of the event loop: the tick's tasks run behind each. */
async function putInTwoTicks(outbox: Outbox): Promise<void> {
  outbox.put(Buffer.from('a'));
  await new Promise<void>((resolve) => process.nextTick(resolve));
  outbox.put(Buffer.from('b'));
  await nextTurn();
  await nextTurn();
}

afterEach(() => {
  for (const outbox of opened.splice(0)) outbox.isShared = false;
});

describe('an outbox writes once for', () => {
  it('what is put in within one tick', async () => {
    const { outbox, written } = openOutbox({ isShared: false });
    outbox.put(Buffer.from('a'));
    outbox.put(Buffer.from('b'));
    expect(outbox.isFilling).toBe(true);
    await nextTurn();
    expect(outbox.isFilling).toBe(false);
    expect(written).toEqual(['ab']);
  });

  it.each([
    { what: 'a tick, where few connections are shared', others: 3, isShared: true, writes: ['a', 'b'] },
    { what: 'a turn of the event loop, where many are', others: 4, isShared: true, writes: ['ab'] },
    { what: 'a tick, where many are and this one is not', others: 5, isShared: false, writes: ['a', 'b'] },
  ])('$what', async ({ others, isShared, writes }) => {
    for (let i = 0; i < others; i++) openOutbox({ isShared: true });
    const { outbox, written } = openOutbox({ isShared });
    await putInTwoTicks(outbox);
    expect(written).toEqual(writes);
  });

  it('a tick again, where the many have become quiet', async () => {
    const many = Array.from({ length: 5 }, () => openOutbox({ isShared: true }));
    for (const { outbox } of many) {
      outbox.isShared = true;
      outbox.isShared = false;
    }
    const { outbox, written } = openOutbox({ isShared: true });
    await putInTwoTicks(outbox);
    expect(written).toEqual(['a', 'b']);
  });
});
