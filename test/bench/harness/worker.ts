import { seeded } from '../../support/seeded.js';
import { findWay } from '../ways/catalogue.js';
import type { Way } from '../ways/way.js';
import { describeError } from './describe-error.js';
import type { Answer, Order } from './protocol.js';
import { runSlice } from './slice.js';

// One way in a process of its own: no other way's timers, idle connections, compiled code or garbage beside it.
const random = seeded(process.pid);
let way: Way | undefined;

async function obey(order: Order): Promise<Answer> {
  switch (order.kind) {
    case 'open':
      way = await (await findWay(order.way).load())(order.target);
      return { kind: 'done' };
    case 'slice':
      if (!way) throw new Error('no way is open');
      return { kind: 'figures', figures: await runSlice(way, order.slice, random) };
    case 'close':
      await way?.close();
      return { kind: 'done' };
  }
}

process.on('message', (order: Order) => {
  void obey(order)
    .catch((error: unknown): Answer => ({ kind: 'failed', error: describeError(error) }))
    .then((answer) => process.send?.(answer));
});

// The parent is gone, or has had this way's last answer.
process.on('disconnect', () => process.exit());
