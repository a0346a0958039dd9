import { describe, expect, test } from 'vitest';
import { Simulation, type SimulatedNode } from './simulation.js';

const node = (name: string, tookMs: number, more: Partial<SimulatedNode> = {}): SimulatedNode => ({
  name,
  behaviour: { tookMs },
  ...more,
});

const SECOND = 1_000;
const seeds = [1, 2, 3, 4, 5];

describe.each(seeds)('least-loaded, by chance %i', (seed) => {
  test.each([
    [1, 0.015],
    [4, 0.01],
    [16, 0.01],
  ])('a node 20 ms slower gets hardly any of the calls of %i callers, but some', (callers, most) => {
    const nodes = [node('fast', 2), node('slow', 22)];
    const share = new Simulation(nodes, callers, { seed }).run(60 * SECOND)['slow'];
    expect(share).toBeLessThan(most);
    expect(share).toBeGreaterThan(0);
  });

  test('a node that becomes slow is noticed within a few calls', () => {
    const nodes = [node('a', 2), node('b', 2)] as const;
    const simulation = new Simulation(nodes, 16, { seed });
    simulation.run(10 * SECOND);
    nodes[1].behaviour = { tookMs: 22 };
    expect(simulation.run(SECOND)['b']).toBeLessThan(0.01);
  });

  test.each([1, 16])('a node that recovers has its half again within seconds, of %i callers', (callers) => {
    const nodes = [node('a', 2), node('b', 22)] as const;
    const simulation = new Simulation(nodes, callers, { seed });
    simulation.run(20 * SECOND);
    nodes[1].behaviour = { tookMs: 2 };
    simulation.run((callers === 1 ? 15 : 8) * SECOND);
    const share = simulation.run(5 * SECOND)['b'] ?? 0;
    expect(Math.abs(share - 0.5)).toBeLessThan(0.1);
  });

  test.each([1, 16])('equal nodes share the calls of %i callers equally', (callers) => {
    const nodes = [node('a', 2), node('b', 2), node('c', 2)];
    const shares = new Simulation(nodes, callers, { seed }).run(10 * SECOND);
    for (const share of Object.values(shares)) expect(Math.abs(share - 1 / 3)).toBeLessThan(0.05);
  });

  test.each([1, 16])('weights are shares of the calls of %i callers', (callers) => {
    const nodes = [node('a', 2, { weight: 3 }), node('b', 2)];
    const share = new Simulation(nodes, callers, { seed }).run(10 * SECOND)['a'] ?? 0;
    expect(Math.abs(share - 0.75)).toBeLessThan(0.08);
  });

  test('a node that fails fast is not preferred, and is back when it is well', () => {
    const nodes = [node('a', 2), node('b', 2)] as const;
    const simulation = new Simulation(nodes, 16, { seed });
    simulation.run(10 * SECOND);
    nodes[1].behaviour = { tookMs: 0.2, fails: true };
    expect(simulation.run(10 * SECOND)['b']).toBeLessThan(0.001);
    nodes[1].behaviour = { tookMs: 2 };
    simulation.run(40 * SECOND);
    expect(simulation.run(5 * SECOND)['b']).toBeGreaterThan(0.4);
  });

  test('a node that never did but fail is not preferred', () => {
    const bad = node('bad', 2, { behaviour: { tookMs: 0.2, fails: true } });
    expect(new Simulation([node('good', 2), bad], 16, { seed }).run(10 * SECOND)['bad']).toBeLessThan(0.001);
  });

  test('a node whose calls hang takes no more callers than it had, or a few', () => {
    const nodes = [node('a', 2), node('b', 2)] as const;
    const simulation = new Simulation(nodes, 16, { seed });
    simulation.run(10 * SECOND);
    nodes[1].behaviour = 'hangs';
    simulation.run(60 * SECOND);
    expect(simulation.loads.inFlight('b')).toBeLessThanOrEqual(9);
  });

  test('a node without a latency gets a part of the first calls', () => {
    const simulation = new Simulation([node('a', 2), node('b', 2, { behaviour: 'hangs' })], 16, { seed });
    simulation.run(0);
    expect(simulation.loads.inFlight('b')).toBe(8);
  });

  test('a node that is back takes its share by and by', () => {
    const nodes = [node('a', 2), node('b', 2, { returnedAt: 0 })];
    const simulation = new Simulation(nodes, 16, { seed });
    const shares = [1, 2, 3, 4, 5, 6].map(() => simulation.run(2 * SECOND)['b'] ?? 0);
    expect(shares[0]).toBeLessThan(0.2);
    expect(shares[0]).toBeGreaterThan(0.03);
    expect(shares).toEqual(shares.toSorted((one, other) => one - other));
    expect(shares.at(-1)).toBeGreaterThan(0.45);
  });
});

test('one report makes no node a slow one', () => {
  const nodes = [node('a', 2), node('b', 2)] as const;
  const simulation = new Simulation(nodes, 16);
  simulation.run(10 * SECOND);
  simulation.loads.began('b', simulation.now);
  simulation.run(30 * SECOND);
  simulation.loads.answered('b', 30 * SECOND, simulation.now);
  simulation.loads.ended('b');
  expect(simulation.run(SECOND)['b']).toBeGreaterThan(0.4);
});

test('callers stay in their zone', () => {
  const nodes = [node('a', 2), node('b', 2, { zone: 'z' })];
  expect(new Simulation(nodes, 16, { zone: 'z' }).run(SECOND)).toEqual({ a: 0, b: 1 });
});
