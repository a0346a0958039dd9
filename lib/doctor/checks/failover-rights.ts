import { formatDuration } from '../../duration.js';
import { isSeen, served, type Facts } from '../facts.js';
import { fail, finding, pass, warn, type Finding, type Verdict } from '../finding.js';
import { numberOf } from '../parameters.js';
import type { MissingRight, Rights } from '../../failover/rights.js';

/** Whether what `failover.mode` is to do can be done. */
export function checkFailoverRights(facts: Facts): Finding[] {
  switch (facts.settings.failover.mode) {
    case 'follow':
      return checkFollow(facts);
    case 'patroni':
      return [finding('failover-rights', judgePatroni(facts))];
    case 'promote':
      return [...checkPromote(facts), ...checkQuorum(facts), ...checkReceivers(facts)];
  }
}

function checkFollow(facts: Facts): Finding[] {
  return served(facts).map(({ settings, server }) => {
    const verdict = server.isMonitor
      ? pass('mode follow needs none; the probes see all')
      : warn(
          'the account of the probes is no member of pg_monitor: receivers are hidden',
          'GRANT pg_monitor to it, or give monitor.user an account that has it',
        );
    return finding('failover-rights', verdict, settings.name);
  });
}

function judgePatroni({ patroni, nodes }: Facts): Verdict {
  if (!patroni || 'unseen' in patroni) {
    const why = patroni?.unseen ?? 'it was not asked';
    return fail(`Patroni does not answer: ${why}`, 'check failover.patroni.urls, and its certificates');
  }
  const seen = `Patroni names ${patroni.members} members, leader ${patroni.leader ?? 'none'}`;
  if (patroni.leader === undefined) return fail(seen, 'see patronictl list');
  if (patroni.members === nodes.length) return pass(seen);
  return warn(
    `${seen}; ${nodes.length} nodes are configured`,
    'bring the configuration in line with patronictl list',
  );
}

function checkPromote({ nodes }: Facts): Finding[] {
  return nodes.flatMap(({ settings, server, rights }) => {
    if (!rights || !isSeen(server)) return [];
    const verdict = isSeen(rights)
      ? judgeRights(rights)
      : fail(
          `the account could not be asked: ${rights.unseen}`,
          'let it into the database postgres, or monitor.database',
        );
    return [finding('failover-rights', verdict, settings.name)];
  });
}

function judgeRights({ needed, useful, database }: Rights): Verdict {
  const lacks = (missing: readonly MissingRight[]) =>
    `it lacks ${missing.map(({ what }) => what).join('; ')}`;
  const grants = [...needed, ...useful].map(({ remedy }) => `${remedy};`).join(' ');
  if (needed.length > 0)
    return fail(`nothing can be promoted: ${lacks(needed)}`, `in database ${database}: ${grants}`);
  if (useful.length > 0) return warn(lacks(useful), `in database ${database}: ${grants}`);
  return pass('may promote, repoint and fence');
}

const FEWEST_NODES = 3;

function checkQuorum({ settings: { nodes, failover } }: Facts): Finding[] {
  if (failover.withoutQuorum) {
    const seen = 'failover.without_quorum is set: two primaries may come of a partition';
    return [finding('failover-rights', warn(seen, 'two replicas or more, and no without_quorum'))];
  }
  if (nodes.length >= FEWEST_NODES) return [];
  const seen = 'with fewer than two replicas there never is a majority: nothing will be promoted';
  return [finding('failover-rights', fail(seen, 'add a replica'))];
}

/** A receiver that hears nothing gives up after that time only. */
const LONG_RECEIVER_TIMEOUT_MS = 10_000;

function checkReceivers(facts: Facts): Finding[] {
  return served(facts).flatMap(({ settings, server }) => {
    const ms = numberOf(server.parameters, 'wal_receiver_timeout') ?? 0;
    if (ms > 0 && ms <= LONG_RECEIVER_TIMEOUT_MS) return [];
    const seen = `wal_receiver_timeout is ${ms === 0 ? 'off' : formatDuration(ms)}: a primary that hangs is replaced late`;
    const remedy = `wal_receiver_timeout = '${LONG_RECEIVER_TIMEOUT_MS / 1_000}s' or less`;
    return [finding('failover-rights', warn(seen, remedy), settings.name)];
  });
}
