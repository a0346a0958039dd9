import { isSeen, served, type Facts } from '../facts.js';
import { fail, finding, pass, type Finding } from '../finding.js';

/** Whether every node answers, lets both accounts in, and one of them takes writes. */
export function checkNodes(facts: Facts): Finding[] {
  const answers = facts.nodes.map(({ settings, server, account }) => {
    if (!isSeen(server)) {
      return finding('nodes', fail(`does not answer: ${server.unseen}`, REACH), settings.name);
    }
    const { role, version } = server;
    if (isSeen(account))
      return finding('nodes', pass(`${role}, PostgreSQL ${version}, account ${account.user}`), settings.name);
    const { user } = settings.accounts[role];
    const seen = `${role}, PostgreSQL ${version}, refuses the account ${user} of the pool: ${account.unseen}`;
    return finding('nodes', fail(seen, LET_IN), settings.name);
  });
  return [...answers, ...checkPrimary(facts)];
}

const REACH = 'start it, open the way to it, or take it out of the configuration';
const LET_IN = 'check its password, its rights in the database, pg_hba.conf and the database of that name';

function checkPrimary(facts: Facts): Finding[] {
  const primaries = served(facts, 'primary').map(({ settings }) => settings.name);
  if (primaries.length === 1) return [];
  if (primaries.length === 0) {
    const remedy = 'have one of them promoted, or see why the primary does not answer';
    return [finding('nodes', fail('no node takes writes', remedy))];
  }
  const remedy = 'stop the one that is behind, and have it rejoin as a replica';
  return [finding('nodes', fail(`${primaries.join(' and ')} are all primaries`, remedy))];
}
