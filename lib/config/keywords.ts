import { parseDuration } from '../duration.js';
import type { ConfigFault } from '../errors.js';
import { isRecord } from './path.js';

interface Keyword {
  /** Where the original's name stands. */
  readonly keyword: string;
  /** The setting that means the same. */
  readonly section: string;
  readonly key: string;
  /** What its value means there; undefined: nothing. */
  readonly means?: (value: unknown) => unknown;
}

const isTrue = (value: unknown) => value === true || value === 'true';

/** Names of the original library, and where their values belong. */
const KEYWORDS: readonly Keyword[] = [
  { keyword: 'health_check_timeout', section: 'health_check', key: 'timeout' },
  { keyword: 'health_check_interval', section: 'health_check', key: 'interval' },
  { keyword: 'failover_strategy.check_interval', section: 'health_check', key: 'interval' },
  { keyword: 'failover_strategy.max_retry_attempts', section: 'failover', key: 'max_retry_attempts' },
  { keyword: 'failover_strategy.retry_delay', section: 'failover', key: 'retry_delay' },
  {
    keyword: 'failover_strategy.notification_callback',
    section: 'failover',
    key: 'notification_callback',
  },
  {
    keyword: 'failover_strategy.promote_replica',
    section: 'failover',
    key: 'mode',
    means: (value) => (isTrue(value) ? 'promote' : undefined),
  },
  // The original promotes without asking any other node.
  {
    keyword: 'failover_strategy.promote_replica',
    section: 'failover',
    key: 'without_quorum',
    means: (value) => (isTrue(value) ? true : undefined),
  },
];

/** Moves the values of keywords into their sections, within `value` and `spelled`. */
export function foldKeywords(value: Record<string, unknown>, spelled: Map<string, string>): ConfigFault[] {
  const given = KEYWORDS.map((keyword) => ({ ...keyword, given: take(value, keyword) }));
  return given.flatMap(({ keyword, section, key, means, given }) => {
    const meant = given === undefined || !means ? given : means(given);
    const target = value[section] ?? {};
    if (meant === undefined || !isRecord(target)) return [];
    const path = `${section}.${key}`;
    const written = spelled.get(keyword) ?? keyword;
    const other = target[key];
    if (other === undefined) {
      value[section] = { ...target, [key]: meant };
      spelled.set(path, written);
      return [];
    }
    if (sameDuration(meant, other)) return [];
    return [
      { path: written, message: `differs from ${spelled.get(path) ?? path}, which means the same; keep one` },
    ];
  });
}

/** What stands there. It is not left where the setting that means the same will be checked. */
function take(value: Record<string, unknown>, { keyword, means }: Keyword): unknown {
  const [first = keyword, inner] = keyword.split('.');
  const holder = inner === undefined ? value : value[first];
  if (!isRecord(holder)) return undefined;
  const found = holder[inner ?? first];
  if (!means) delete holder[inner ?? first];
  return found;
}

function sameDuration(a: unknown, b: unknown): boolean {
  return a === b || (milliseconds(a) !== undefined && milliseconds(a) === milliseconds(b));
}

function milliseconds(value: unknown): number | undefined {
  return typeof value === 'string' || typeof value === 'number' ? parseDuration(value) : undefined;
}
