import { describe, expect, test } from 'vitest';
import { matchMembers, parseMembers, type PatroniMember } from '../../lib/failover/patroni-members.js';
import { nodeSettings } from '../topology/scene.js';

/** As Patroni 3.0.2 answered `GET /cluster`, in the middle of a switchover from node3 to node1. */
const RECORDED = {
  members: [
    {
      name: 'node1',
      role: 'leader',
      state: 'running',
      api_url: 'https://127.0.0.1:10695/patroni',
      host: '127.0.0.1',
      port: 26810,
      timeline: 2,
    },
    {
      name: 'node2',
      role: 'sync_standby',
      state: 'running',
      api_url: 'https://127.0.0.1:30716/patroni',
      host: '127.0.0.1',
      port: 18391,
      timeline: 1,
      lag: 48,
    },
    {
      name: 'node3',
      role: 'replica',
      state: 'stopping',
      api_url: 'https://127.0.0.1:32702/patroni',
      host: '127.0.0.1',
      port: 16821,
      lag: 'unknown',
    },
  ],
};

describe('the answer to /cluster', () => {
  test('as it was recorded', () => {
    expect(parseMembers(RECORDED)).toEqual([
      {
        name: 'node1',
        role: 'leader',
        state: 'running',
        apiUrl: 'https://127.0.0.1:10695/patroni',
        host: '127.0.0.1',
        port: 26810,
        timeline: 2,
      },
      {
        name: 'node2',
        role: 'sync-standby',
        state: 'running',
        apiUrl: 'https://127.0.0.1:30716/patroni',
        host: '127.0.0.1',
        port: 18391,
        timeline: 1,
        lag: 48,
      },
      {
        name: 'node3',
        role: 'replica',
        state: 'stopping',
        apiUrl: 'https://127.0.0.1:32702/patroni',
        host: '127.0.0.1',
        port: 16821,
      },
    ]);
  });

  test.each([
    ['leader', 'leader'],
    ['master', 'leader'],
    ['primary', 'leader'],
    ['standby_leader', 'standby-leader'],
    ['sync_standby', 'sync-standby'],
    ['quorum_standby', 'sync-standby'],
    ['replica', 'replica'],
    ['a word of tomorrow', 'replica'],
  ])('the role %s', (role, expected) => {
    expect(parseMembers({ members: [{ name: 'a', role, more: {} }], pause: true })).toEqual([
      { name: 'a', role: expected, state: '' },
    ]);
  });

  test.each<[unknown, RegExp]>([
    ['<html>', /no description of a cluster/],
    [{}, /members/],
    [{ members: [{ name: 'a' }] }, /members\.0\.role/],
    [{ members: [{ name: 'a', role: 'leader', port: 'x' }] }, /members\.0\.port/],
  ])('%j is none', (json, message) => {
    expect(() => parseMembers(json)).toThrow(message);
  });
});

describe('which node a member is', () => {
  const node = (name: string, host: string, port = 5432) => ({ ...nodeSettings(name), host, port });
  const member = (name: string, host?: string, port = 5432): PatroniMember => ({
    name,
    role: 'replica',
    state: 'running',
    ...(host !== undefined && { host, port }),
  });

  test.each<[string, PatroniMember[], (string | undefined)[]]>([
    ['by host and port', [member('x', '10.0.0.1'), member('y', '10.0.0.1', 5433)], ['one', 'two']],
    ['whatever the case of the host', [member('x', 'DB3.Example')], ['three']],
    ['by name, where the host has another one', [member('three', '10.0.0.3')], ['three']],
    ['by name, without a host', [member('one')], ['one']],
    [
      'by address rather than by name',
      [member('two', '10.0.0.1'), member('one', '10.0.0.9')],
      ['one', undefined],
    ],
    ['none of them', [member('four', '10.0.0.4')], [undefined]],
  ])('%s', (_, members, expected) => {
    const nodes = [node('one', '10.0.0.1'), node('two', '10.0.0.1', 5433), node('three', 'db3.example')];
    expect(matchMembers(members, nodes).map((matched) => matched.node)).toEqual(expected);
  });
});
