import { TcpProxy } from '../../support/tcp-proxy.js';
import { compared } from '../harness/comparison.js';
import { hold } from '../harness/contest.js';
import { Servers } from '../harness/servers.js';
import { WayProcesses, type WayPlan } from '../harness/way-contestant.js';
import type { Balance } from '../ways/way.js';
import { faultsOf } from './faults.js';
import type { Report, RunContext } from './subject.js';

const CONNECTIONS = 10;
const CALLERS = 16;
const DELAY_MS = 20;
const ROUNDS = 7;
const SLICE_MS = 500;
const LEAD_MS = 100;
/** The others are there to be seen beside it. */
const OTHER_BALANCES: readonly Balance[] = ['random', 'round-robin'];
const OTHERS_EVERY = 3;

/** One of two replicas is slower: how reads are shared out, against a choice by hand. */
export async function balancing(context: RunContext): Promise<Report> {
  await using servers = await Servers.start(2);
  context.saw(await servers.version());
  const target = servers.target(CONNECTIONS);
  const [near, far] = target.replicas;
  if (!near || !far) throw new Error('there are two replicas');
  await using proxy = await TcpProxy.start(far);
  const both = { ...target, replicas: [near, { ...far, host: '127.0.0.1', port: proxy.port }] };
  await using processes = new WayProcesses();
  const plans: WayPlan[] = [
    { way: 'least-pools', target: both },
    { way: 'least-ours', target: both },
    // The best that a choice could do: it knows the slow one beforehand and never tries it.
    {
      way: 'ours-scope',
      name: 'near',
      label: 'nestjs-pg-mcp, the fast one alone',
      target: { ...target, replicas: [near] },
    },
    { way: 'ours-scope', name: 'ours', label: 'nestjs-pg-mcp, `least-loaded`', target: both },
    ...OTHER_BALANCES.map((balance) => ({
      way: 'ours-scope' as const,
      name: `ours/${balance}`,
      label: `nestjs-pg-mcp, \`${balance}\``,
      target: { ...both, balance },
      every: OTHERS_EVERY,
    })),
  ];
  const contestants = await processes.contestants(plans, {
    work: 'read',
    ms: context.ms(SLICE_MS),
    leadMs: LEAD_MS,
  });
  proxy.delayMs = DELAY_MS;
  const rounds = context.rounds(ROUNDS);
  const outcome = await hold({
    contestants,
    levels: [CALLERS],
    rounds,
    onRound: context.onRound('balancing'),
  });
  const table = (reference: string, title: string) =>
    compared(outcome, [CALLERS], {
      title: `One of two replicas ${DELAY_MS} ms slower: ratios to ${title}`,
      unit: 'reads/s',
      reference,
    });
  return {
    tables: [
      table('least-pools', 'a choice by hand over `pg.Pool`'),
      table('least-ours', 'the same choice over the connections of nestjs-pg-mcp'),
    ],
    samples: outcome.samples,
    faults: faultsOf(outcome),
  };
}
