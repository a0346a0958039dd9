import { isSeen, type AccountFacts, type Facts } from '../facts.js';
import { fail, finding, pass, warn, type Finding } from '../finding.js';

/** Whether the account of the replicas can only read. Rights are the same on all of them. */
export function checkReadOnlyAccount({ nodes, settings }: Facts): Finding[] {
  const accounts = new Map<string, AccountFacts>();
  for (const { account } of nodes) {
    if (!isSeen(account) || account.role !== 'replica') continue;
    accounts.set(`${account.user} in ${account.database}`, account);
  }
  if (accounts.size > 0) return [...accounts].map(([name, account]) => judge(name, account));
  if (!settings.nodes.some(({ configuredRole }) => configuredRole === 'replica'))
    return [finding('read-only-account', pass('no replicas are configured'))];
  const remedy = 'see why none lets its account in, and look again';
  return [finding('read-only-account', warn('no replica could be asked', remedy))];
}

function judge(name: string, { user, powers }: AccountFacts): Finding {
  if (powers.length === 0) return finding('read-only-account', pass(`${name} can only read`));
  const remedy = `an account that only reads, in place of ${user}: CREATE ROLE … LOGIN; GRANT pg_read_all_data TO …`;
  return finding('read-only-account', fail(`${name}: ${powers.join('; ')}`, remedy));
}
