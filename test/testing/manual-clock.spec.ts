import { ManualClock } from 'nestjs-pg-mcp/testing';
import { expect, test } from 'vitest';

function sleeper(clock: ManualClock) {
  return (ms: number) =>
    new Promise<void>((resolve) => {
      clock.setTimer(resolve, ms);
    });
}

test('stands still until it is advanced', async () => {
  const clock = new ManualClock(1_000);
  expect(clock.now()).toBe(1_000);
  await clock.advance(250);
  expect(clock.now()).toBe(1_250);
});

test.each(['advance', 'advanceSync'] as const)(
  '%s runs due timers in order, each at its time',
  async (method) => {
    const clock = new ManualClock();
    const trace: string[] = [];
    const log = (name: string) => () => trace.push(`${name} at ${clock.now()}`);
    clock.setTimer(log('late'), 30);
    clock.setTimer(log('first of two'), 10);
    clock.setTimer(log('second of two'), 10);
    clock.setTimer(log('too late'), 31);
    clock.setTimer(() => clock.setTimer(log('set on the way'), 5), 10);
    clock.setTimer(log('cancelled'), 20).cancel();
    await clock[method](30);
    expect(trace).toEqual([
      'first of two at 10',
      'second of two at 10',
      'set on the way at 15',
      'late at 30',
    ]);
    expect(clock.now()).toBe(30);
    expect(clock.pending).toBe(1);
  },
);

test('advance lets promises settle between timers', async () => {
  const clock = new ManualClock();
  const sleep = sleeper(clock);
  const turns: number[] = [];
  const loop = async () => {
    for (;;) {
      await sleep(100);
      await Promise.resolve();
      turns.push(clock.now());
    }
  };
  void loop();
  await clock.advance(350);
  expect(turns).toEqual([100, 200, 300]);
});

test('advance first lets what is under way set its timers', async () => {
  const clock = new ManualClock();
  const sleep = sleeper(clock);
  let woken = -1;
  void Promise.resolve()
    .then(() => sleep(10))
    .then(() => (woken = clock.now()));
  await clock.advance(10);
  expect(woken).toBe(10);
});

test('cancelling a timer that ran, or twice, does nothing', async () => {
  const clock = new ManualClock();
  const timer = clock.setTimer(() => {}, 1);
  clock.setTimer(() => {}, 5);
  await clock.advance(1);
  timer.cancel();
  timer.cancel();
  expect(clock.pending).toBe(1);
});

test('a timer that throws is heard, and the clock stands at it', async () => {
  const clock = new ManualClock();
  clock.setTimer(() => {
    throw new Error('boom');
  }, 7);
  await expect(clock.advance(10)).rejects.toThrow('boom');
  expect(clock.now()).toBe(7);
});

test.each([-1, Number.NaN])('%s ms are refused', async (ms) => {
  await expect(new ManualClock().advance(ms)).rejects.toThrow(RangeError);
  expect(() => new ManualClock().advanceSync(ms)).toThrow(RangeError);
});
