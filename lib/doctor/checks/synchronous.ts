import { served, type Facts, type ServedNode } from '../facts.js';
import { fail, finding, pass, warn, type Finding, type Verdict } from '../finding.js';
import { parseSynchronousNames } from '../synchronous-names.js';

/** Whether a commit waits for a standby, and for one that is there (manual, section 19.6.2). */
export function checkSynchronous(facts: Facts): Finding[] {
  return served(facts, 'primary').map((node) =>
    finding('synchronous-standbys', judge(node, facts.nodes.length - 1), node.settings.name),
  );
}

function judge(primary: ServedNode, replicas: number): Verdict {
  const setting = primary.server.parameters.get('synchronous_standby_names') ?? '';
  if (setting !== '') return judgeNames(setting, primary);
  if (replicas === 0) return pass('synchronous_standby_names is empty, and there are no replicas');
  return warn(
    'synchronous_standby_names is empty: a failover may lose writes that were acknowledged',
    "synchronous_standby_names = 'ANY 1 (…)' with the application_name of every node",
  );
}

function judgeNames(setting: string, { settings, server }: ServedNode): Verdict {
  const seen = `synchronous_standby_names = '${setting}'`;
  const wanted = parseSynchronousNames(setting);
  if (!wanted) return warn(`${seen} could not be read`, 'check its form');
  const { count, names: listed } = wanted;
  const { standbys, parameters } = server;
  const isListed = (name: string) => listed.includes('*') || has(listed, name);
  const there = `connected: ${standbys.join(', ') || 'none'}`;
  const able = standbys.filter(isListed).length;
  if (able < count) {
    const remedy =
      "set application_name in the standbys' primary_conninfo to a listed name, or correct the list";
    return fail(`${seen} asks for ${count}, and ${able} match; ${there}. Commits wait for ever`, remedy);
  }
  const strangers = standbys.filter((name) => !isListed(name));
  if (strangers.length > 0)
    return warn(`${seen}; ${strangers.join(', ')} can't be synchronous`, `add ${strangers.join(', ')} to it`);
  // The list names all nodes where any of them may be the primary.
  const expected = ['*', settings.name, parameters.get('cluster_name') ?? '', ...standbys];
  const missing = listed.filter((name) => !has(expected, name));
  if (missing.length > 0)
    return warn(`${seen}; not connected: ${missing.join(', ')}`, 'bring them back, or correct their names');
  const commit = parameters.get('synchronous_commit') ?? 'on';
  if (commit === 'off' || commit === 'local')
    return warn(`${seen}, but synchronous_commit = ${commit} does not wait`, 'synchronous_commit = on');
  return pass(`${seen}; ${there}`);
}

/** As the server compares them. */
function has(names: readonly string[], name: string): boolean {
  return names.some((each) => each.toLowerCase() === name.toLowerCase());
}
