import { ManualClock } from 'nestjs-pg-mcp/testing';
import { describe, expect, it } from 'vitest';
import type { Borrowed } from '../../lib/session/borrowed.js';
import { Patience } from '../../lib/session/patience.js';
import { Turns } from '../../lib/session/turns.js';

function waitingBehindABlock() {
  const clock = new ManualClock();
  const turns = new Turns();
  const patience = new Patience(clock, 1_000);
  let answer: () => void = () => {};
  const query = () =>
    new Promise((resolve) => {
      answer = () => resolve({ rows: [], rowCount: 0, command: 'SELECT', fields: [] });
    });
  const connection = patience.watch({ query } as unknown as Borrowed);
  let endBlock: () => void = () => {};
  void turns.take(() => new Promise<void>((resolve) => (endBlock = resolve)));
  const done: string[] = [];
  return { clock, turns, patience, connection, answer: () => answer(), endBlock: () => endBlock(), done };
}

describe('patience', () => {
  const wait = ({ patience, turns, done }: ReturnType<typeof waitingBehindABlock>) => {
    const waiting = { state: 'waiting' };
    void patience
      .wait((whileWaited) => turns.take(() => whileWaited(async () => void done.push('work'))))
      .then(
        () => (waiting.state = 'done'),
        (error: { code: string }) => (waiting.state = error.code),
      );
    return waiting;
  };

  it('is counted from the last statement of the block, and not while one runs', async () => {
    const behind = waitingBehindABlock();
    const { clock } = behind;
    const waiting = wait(behind);
    await clock.advance(900);
    void behind.connection.query({ text: 'SELECT 1' });
    await clock.advance(5_000);
    behind.answer();
    await clock.advance(990);
    expect(waiting.state).toBe('waiting');
    await clock.advance(1_010);
    expect(waiting.state).toBe('ACQUIRE_TIMEOUT');
  });

  it('lost is lost: the work is not done when its turn comes', async () => {
    const behind = waitingBehindABlock();
    const waiting = wait(behind);
    await behind.clock.advance(1_000);
    behind.endBlock();
    await behind.clock.advance(1);
    expect(waiting.state).toBe('ACQUIRE_TIMEOUT');
    expect(behind.done).not.toContain('work');
  });

  it('leaves no timer behind once the work has its turn', async () => {
    const clock = new ManualClock();
    const turns = new Turns();
    await new Patience(clock, 1_000).wait((whileWaited) => turns.take(() => whileWaited(async () => {})));
    expect(clock.pending).toBe(0);
  });
});
