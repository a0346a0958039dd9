import { seeded } from '../../support/seeded.js';
import { findWay } from '../ways/catalogue.js';
import type { Way } from '../ways/way.js';
import type { Answer, Order } from './protocol.js';
import { runSlice } from './slice.js';

// One way in a process of its own: no other way's timers, idle connections, compiled code or garbage beside it.
const random = seeded(process.pid);
let ways: Way[] = [];

async function obey(order: Order): Promise<Answer> {
  switch (order.kind) {
    case 'open': {
      const open = await findWay(order.way).load();
      ways = await Promise.all(order.targets.map(open));
      return { kind: 'done' };
    }
    case 'slice': {
      const way = ways[order.at];
      if (!way) throw new Error('no way is open');
      return { kind: 'figures', figures: await runSlice(way, order.slice, random) };
    }
    case 'close':
      await Promise.all(ways.map((way) => way.close()));
      return { kind: 'done' };
  }
}

process.on('message', (order: Order) => {
  void obey(order)
    .catch((error: unknown): Answer => ({ kind: 'failed', error: describe(error) }))
    .then((answer) => process.send?.(answer));
});

// The parent is gone, or has had this way's last answer.
process.on('disconnect', () => process.exit());

function describe(error: unknown): string {
  const causes: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) {
    const inner = at instanceof AggregateError ? at.errors.map(String).join('; ') : '';
    causes.push([at.message, inner].filter(Boolean).join(': ') || at.name);
  }
  return causes.length > 0 ? causes.join(' ← ') : String(error);
}
