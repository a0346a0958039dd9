import type { OpenWay, Way } from './way.js';
import { openOursInScope } from './ours.js';
import { openPool } from './pg-pool.js';

/** By hand: the replica with the fewest reads under way, over a way of its own to each. */
const openWith =
  (open: OpenWay): OpenWay =>
  async (target) => {
    const ways = await Promise.all(
      target.replicas.map((replica) => open({ ...target, replicas: [replica] })),
    );
    const nodes = ways.map((way) => ({ way, underWay: 0 }));
    return {
      read: async (id) => {
        const fewest = Math.min(...nodes.map(({ underWay }) => underWay));
        const idlest = nodes.filter(({ underWay }) => underWay === fewest);
        const node = idlest[Math.floor(Math.random() * idlest.length)];
        if (!node) throw new Error('there are replicas');
        node.underWay++;
        try {
          return await node.way.read(id);
        } finally {
          node.underWay--;
        }
      },
      close: async () => void (await Promise.all(ways.map((way) => way.close()))),
    } satisfies Way;
  };

export const openLeastOutstandingPools = openWith(openPool);
/** Over the connections that ours uses, so that nothing but the choice differs. */
export const openLeastOutstandingOurs = openWith(openOursInScope);
