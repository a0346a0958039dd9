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

function send(outbox: Outbox, text: string, isAlone = false): void {
  outbox.put(Buffer.from(text));
  outbox.send(isAlone);
}

const nextTick = () => new Promise<void>((resolve) => process.nextTick(resolve));

/** As answers that come in one turn of the event loop: the tick's tasks run behind each. */
async function sendInTwoTicks(outbox: Outbox): Promise<void> {
  send(outbox, 'a');
  await nextTick();
  send(outbox, 'b');
  await nextTurn();
  await nextTurn();
}

afterEach(() => {
  for (const outbox of opened.splice(0)) outbox.isShared = false;
});

describe('an outbox writes once for', () => {
  it('what is sent within one tick', async () => {
    const { outbox, written } = openOutbox({ isShared: false });
    send(outbox, 'a');
    send(outbox, 'b');
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
    await sendInTwoTicks(outbox);
    expect(written).toEqual(writes);
  });

  it('a tick again, where the many have become quiet', async () => {
    const many = Array.from({ length: 5 }, () => openOutbox({ isShared: true }));
    for (const { outbox } of many) {
      outbox.isShared = true;
      outbox.isShared = false;
    }
    const { outbox, written } = openOutbox({ isShared: true });
    await sendInTwoTicks(outbox);
    expect(written).toEqual(['a', 'b']);
  });
});

describe('a statement goes out', () => {
  /** Has sent so many, one after the other. */
  async function openLonely(count: number) {
    const opened = openOutbox({ isShared: false });
    for (let i = 0; i < count; i++) {
      send(opened.outbox, 'a', true);
      await nextTick();
    }
    opened.written.splice(0);
    return opened;
  }

  it('with the tick, until some have gone alone', async () => {
    const { outbox, written } = await openLonely(7);
    send(outbox, 'b', true);
    expect(written).toEqual([]);
    await nextTick();
    expect(written).toEqual(['b']);
  });

  it('at once, where others before it went alone', async () => {
    const { outbox, written } = await openLonely(8);
    outbox.put(Buffer.from('close '));
    send(outbox, 'b', true);
    expect(written).toEqual(['close b']);
    expect(outbox.isFilling).toBe(false);
  });

  it('with the tick again, once it has company', async () => {
    const { outbox, written } = await openLonely(8);
    send(outbox, 'b', true);
    send(outbox, 'c', false);
    send(outbox, 'd', false);
    expect(written).toEqual(['b']);
    await nextTick();
    expect(written).toEqual(['b', 'cd']);
    send(outbox, 'e', true);
    expect(written).toEqual(['b', 'cd']);
  });

  it('with what it was gathered with', async () => {
    const { outbox, written } = await openLonely(8);
    outbox.gather();
    send(outbox, 'b', true);
    send(outbox, 'c', false);
    expect(written).toEqual([]);
    await nextTick();
    expect(written).toEqual(['bc']);
  });
});
