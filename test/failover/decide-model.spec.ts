import { describe, expect, test } from 'vitest';
import type { Work } from '../../lib/failover/decide.js';
import { seeded } from '../support/seeded.js';
import { sure } from '../support/sure.js';
import { ModelCluster, ModelContender } from './model-cluster.js';

const SEEDS = Array.from({ length: 150 }, (_, index) => index + 1);
const STEPS = 400;
const PATIENCE = 3_000;

/** What must hold at the very moment of a promotion. */
function checkPromotion(cluster: ModelCluster, by: () => ModelContender, work: Work): void {
  if (work.do !== 'promote') throw new Error('no promotion');
  const candidate = cluster.node(work.node);
  const needed = Math.floor(cluster.nodes.length / 2) + 1;
  const { holds, hasAdopted } = by();
  expect(holds).toContain(candidate.name);
  expect(holds.length).toBeGreaterThanOrEqual(needed);
  const rivals = cluster.nodes.filter(({ isAsked, name }) => isAsked && name !== candidate.name);
  expect(rivals, 'nobody else will be promoted').toEqual([]);
  const living = cluster.promotions.filter(
    ({ node, off }) => off === work.timeline && cluster.node(node).isUp,
  );
  expect(living, 'nobody else was promoted off this timeline and lives').toEqual([]);
  const sent = cluster.standbys.filter(
    ({ sent }) => sent?.to === candidate.name && sent.timeline === work.timeline,
  );
  expect(sent.length + 1, 'a majority is sent to it').toBeGreaterThanOrEqual(needed);
  for (const node of sent) {
    if (!hasAdopted) expect(node.lsn, 'none has more').toBeLessThanOrEqual(candidate.lsn);
    expect(cluster.heardBy(node)?.name ?? candidate.name).toBe(candidate.name);
  }
  expect(cluster.heardBy(candidate)).toBeUndefined();
}

function contend(cluster: ModelCluster, count: number): ModelContender[] {
  return Array.from({ length: count }, () => {
    const contender: ModelContender = new ModelContender(cluster, (work) =>
      checkPromotion(cluster, () => contender, work),
    );
    return contender;
  });
}

function isSettled(cluster: ModelCluster): boolean {
  const heir = cluster.nodes.find(({ isUp, isStandby, timeline }) => isUp && !isStandby && timeline > 1);
  return heir !== undefined && cluster.standbys.every(({ isUp, sent }) => !isUp || sent?.to === heir.name);
}

describe.each([
  [2, 2],
  [2, 8],
  [3, 4],
  [4, 4],
])('%i replicas, %i contenders', (standbys, count) => {
  test.each(SEEDS)('one is promoted, whatever happens: seed %i', (seed) => {
    const random = seeded(seed * 1_000 + standbys * 10 + count);
    const pick = <T>(from: readonly T[]) => sure(from[Math.floor(random() * from.length)]);
    const cluster = new ModelCluster(standbys);
    for (let time = 0; time < 5; time += 1) cluster.stream(random);
    cluster.kill(cluster.node('p'));
    const contenders = contend(cluster, count);
    const mayLose = standbys + 1 - (Math.floor((standbys + 1) / 2) + 1) - 1;
    let deaths = 0;

    for (let step = 0; step < STEPS; step += 1) {
      const dice = random();
      if (dice < 0.8) pick(contenders).step();
      else if (dice < 0.9) pick(contenders).look();
      else if (dice < 0.94) cluster.stream(random);
      else if (dice < 0.95) cluster.promoteAsked();
      else if (dice < 0.97) pick(contenders).lose();
      else if (dice < 0.98) pick(contenders).lose([pick(cluster.nodes).name]);
      else if (dice < 0.99 && contenders.filter(({ isDead }) => !isDead).length > 1) pick(contenders).die();
      else if (deaths < mayLose) {
        deaths += 1;
        cluster.kill(pick(cluster.standbys));
      }
      const resting = contenders.filter(({ isIdle, isDead }) => isIdle || isDead);
      if (resting.some(({ holds }) => holds.length > 0)) expect.fail('whoever rests holds no lock');
    }
    // Without further faults those that live bring it to its end.
    const alive = contenders.filter(({ isDead }) => !isDead);
    for (let step = 0; step < PATIENCE && !alive.every(({ isIdle }) => isIdle); step += 1) {
      pick(alive).step();
      if (random() < 0.2) pick(alive).look();
      if (random() < 0.05) cluster.promoteAsked();
    }
    expect(alive.every(({ isIdle }) => isIdle)).toBe(true);
    expect(cluster.promotions.length).toBeGreaterThanOrEqual(1);
  });
});

test.each(SEEDS.slice(0, 20))('a primary that a replica still hears is left alone: seed %i', (seed) => {
  const random = seeded(seed);
  const cluster = new ModelCluster(4);
  cluster.node('p').isHidden = true;
  for (const name of 'abc') cluster.node(name).sent = { timeline: 0, to: 'd' };
  const contenders = contend(cluster, 3);
  for (let step = 0; step < STEPS; step += 1) sure(contenders[Math.floor(random() * 3)]).step();
  expect(cluster.standbys.map(({ sent }) => sent?.timeline)).toEqual([0, 0, 0, undefined]);

  cluster.kill(cluster.node('p'));
  for (let step = 0; step < PATIENCE && !isSettled(cluster); step += 1) {
    sure(contenders[step % 3]).step();
    cluster.promoteAsked();
  }
  expect(cluster.promotions).toHaveLength(1);
});

describe('from every half-done step', () => {
  /** How many steps one needs that nothing happens to. */
  const total = (() => {
    const cluster = new ModelCluster(2);
    cluster.kill(cluster.node('p'));
    const [contender] = contend(cluster, 1);
    let steps = 0;
    for (; !sure(contender).isIdle; steps += 1) {
      contender?.step();
      if (contender?.phase === 'promoting' && cluster.node('a').isAsked) cluster.promoteAsked();
    }
    return steps;
  })();
  const steps = Array.from({ length: total }, (_, index) => index);

  /** What was asked for comes true only when it is looked for again. */
  const run = (cluster: ModelCluster, contender: ModelContender) => {
    for (let step = 0; step < PATIENCE && !contender.isIdle; step += 1) {
      contender.step();
      if (step % 20 === 19) {
        cluster.stream(() => 0.99);
        cluster.promoteAsked();
      }
    }
  };
  const halfDone = (step: number) => {
    const cluster = new ModelCluster(2);
    cluster.node('b').lsn = 120;
    cluster.kill(cluster.node('p'));
    const [first, second] = contend(cluster, 2).map((contender) => sure(contender));
    for (let done = 0; done < step; done += 1) first?.step();
    return { cluster, first: sure(first), second: sure(second) };
  };

  test.each(steps)('another finishes what one has begun that died after step %i', (step) => {
    const { cluster, first, second } = halfDone(step);
    first.die();
    second.look();
    run(cluster, second);
    expect(cluster.promotions).toEqual([{ node: 'b', off: 1 }]);
    expect(isSettled(cluster)).toBe(true);
  });

  test.each(steps)('it backs out of it when the primary is back after step %i', (step) => {
    const { cluster, first } = halfDone(step);
    cluster.node('p').isUp = true;
    const wasAsked = first.phase === 'promoting' || cluster.promotions.length > 0;
    first.look();
    run(cluster, first);
    if (wasAsked) return expect(isSettled(cluster)).toBe(true);
    expect(cluster.promotions).toEqual([]);
    expect(cluster.standbys.map(({ sent }) => sent)).toEqual([undefined, undefined]);
  });

  test.each(steps)('it finishes it when it loses its sessions after step %i', (step) => {
    const { cluster, first } = halfDone(step);
    first.lose();
    run(cluster, first);
    expect(cluster.promotions).toEqual([{ node: 'b', off: 1 }]);
    expect(isSettled(cluster)).toBe(true);
  });
});
