import { z } from 'zod';
import type { NodeSettings } from '../config/settings.js';

const member = z.object({
  name: z.string(),
  role: z.string(),
  state: z.string().prefault(''),
  api_url: z.string().optional(),
  host: z.string().optional(),
  port: z.number().optional(),
  timeline: z.number().int().optional(),
  lag: z.union([z.number(), z.string()]).optional(),
});

const answer = z.object({ members: z.array(member) });

/** `leader` of what `/cluster` names so; `master` and `primary` are other versions' words for it. */
const ROLES = new Map<string, PatroniRole>([
  ['leader', 'leader'],
  ['master', 'leader'],
  ['primary', 'leader'],
  ['standby_leader', 'standby-leader'],
  ['sync_standby', 'sync-standby'],
  ['quorum_standby', 'sync-standby'],
]);

/** A `standby-leader` leads a cluster that follows another one: it takes no writes. */
export type PatroniRole = 'leader' | 'standby-leader' | 'sync-standby' | 'replica';

/** What Patroni's store has of one node. */
export interface PatroniMember {
  readonly name: string;
  readonly role: PatroniRole;
  /** `running`, `streaming`, `stopped`, and what else Patroni says. */
  readonly state: string;
  /** Where its PostgreSQL listens. */
  readonly host?: string;
  readonly port?: number;
  /** Where its own REST API is. */
  readonly apiUrl?: string;
  readonly timeline?: number;
  /** Bytes; undefined of the leader, and where it is unknown. */
  readonly lag?: number;
}

/**
 * The members in an answer to `GET /cluster`.
 *
 * @throws Error that says what the answer lacks.
 */
export function parseMembers(json: unknown): readonly PatroniMember[] {
  const parsed = answer.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Error(`no description of a cluster: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  return parsed.data.members.map(({ name, role, state, api_url: apiUrl, host, port, timeline, lag }) => ({
    name,
    role: ROLES.get(role) ?? 'replica',
    state,
    ...(apiUrl !== undefined && { apiUrl }),
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(timeline !== undefined && { timeline }),
    ...(typeof lag === 'number' && { lag }),
  }));
}

export interface MatchedMember {
  readonly member: PatroniMember;
  /** The configured node that it is; undefined where it is none of them. */
  readonly node: string | undefined;
}

/** Finds each member's node: by host and port, else, since a host may have several names, by its own name. */
export function matchMembers(
  members: readonly PatroniMember[],
  nodes: readonly NodeSettings[],
): readonly MatchedMember[] {
  const byAddress = new Map(
    members.map((member) => [member, nodes.find((node) => isAt(node, member))?.name] as const),
  );
  const taken = new Set(byAddress.values());
  return members.map((member) => {
    const namesake = nodes.find(({ name }) => name === member.name && !taken.has(name));
    return { member, node: byAddress.get(member) ?? namesake?.name };
  });
}

function isAt(node: NodeSettings, { host, port }: PatroniMember): boolean {
  return node.host.toLowerCase() === host?.toLowerCase() && node.port === port;
}
