import type { Way } from '../ways/way.js';
import type { Figures, Slice } from './figures.js';
import { ROWS } from './schema.js';
import { quantile } from './statistics.js';

/** Runs a slice on a way. Any call that fails or returns another row fails the slice. */
export async function runSlice(way: Way, slice: Slice, random: () => number): Promise<Figures> {
  const call = slice.work === 'read' ? reading(way) : writing(way);
  await callFor(call, slice.callers, slice.leadMs, random);
  const before = process.cpuUsage();
  const began = performance.now();
  const aside = slice.aside === undefined ? undefined : timed(way, slice.aside);
  // A failure of the callers is told first; this one is awaited below.
  aside?.catch(() => {});
  const took = await callFor(call, slice.callers, slice.ms, random);
  const elapsed = performance.now() - began;
  const { user, system } = process.cpuUsage(before);
  const sorted = Float64Array.from(took).sort();
  return {
    calls: took.length,
    perSecond: (took.length / elapsed) * 1_000,
    cpu: (user + system) / took.length,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    max: sorted.at(-1) ?? NaN,
    ...(aside && { aside: await aside }),
  };
}

type Call = (id: number) => Promise<void>;

/** The milliseconds that each call took. */
async function callFor(call: Call, callers: number, ms: number, random: () => number): Promise<number[]> {
  const took: number[] = [];
  const end = performance.now() + ms;
  const caller = async () => {
    for (let now = performance.now(); now < end;) {
      await call(1 + Math.floor(random() * ROWS));
      const then = performance.now();
      took.push(then - now);
      now = then;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return took;
}

function reading(way: Way): Call {
  return async (id) => {
    const row = await way.read(id);
    if (row?.id !== id) throw new Error(`asked for the row ${id} and got ${JSON.stringify(row)}`);
  };
}

function writing(way: Way): Call {
  const { write } = way;
  if (!write) throw new Error('this way has no writes');
  return (id) => write(id);
}

async function timed(way: Way, text: string): Promise<number> {
  if (!way.run) throw new Error('this way runs no other texts');
  const began = performance.now();
  await way.run(text);
  return performance.now() - began;
}
