import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** What a data folder says about its server, running or not. */
export interface NodeRole {
  readonly standby: boolean;
  readonly timeline: number;
  /** When the timeline began here, in milliseconds since 1970. */
  readonly since: number;
}

/**
 * Reads the role off the files: a standby has `standby.signal`, which PostgreSQL removes when it is promoted,
 * after it has written the history of the new timeline (`StartupXLOG` in its source). So the answer is right
 * whoever promoted, and also for a server that is dead or frozen.
 */
export function nodeRole(dataFolder: string): NodeRole {
  const wal = join(dataFolder, 'pg_wal');
  // A folder that is being made anew will be a standby's.
  if (!existsSync(wal)) return { standby: true, timeline: 0, since: 0 };
  const role = { standby: existsSync(join(dataFolder, 'standby.signal')), timeline: 1, since: 0 };
  for (const file of readdirSync(wal)) {
    const match = /^([0-9A-F]{8})\.history$/.exec(file);
    const timeline = Number.parseInt(match?.[1] ?? '', 16);
    if (timeline > role.timeline) Object.assign(role, { timeline, since: statSync(join(wal, file)).mtimeMs });
  }
  return role;
}

/** The one on the newest timeline; of two on the same, which were promoted from one point, the one promoted last. */
export function newestPrimary<Node extends { readonly role: NodeRole }>(
  nodes: readonly Node[],
): Node | undefined {
  const primaries = nodes.map((node) => ({ node, role: node.role })).filter(({ role }) => !role.standby);
  primaries.sort((a, b) => b.role.timeline - a.role.timeline || b.role.since - a.role.since);
  return primaries[0]?.node;
}
