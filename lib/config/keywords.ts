import { parseDuration } from '../duration.js';
import type { ConfigFault } from '../errors.js';
import { isRecord } from './path.js';

/** Keyword names of the original library, and where their values belong. */
const KEYWORDS = [
  { keyword: 'health_check_timeout', section: 'health_check', key: 'timeout' },
  { keyword: 'health_check_interval', section: 'health_check', key: 'interval' },
];

/** Moves the values of keywords into their sections, within `value` and `spelled`. */
export function foldKeywords(value: Record<string, unknown>, spelled: Map<string, string>): ConfigFault[] {
  return KEYWORDS.flatMap(({ keyword, section, key }) => {
    const given = value[keyword];
    const target = value[section] ?? {};
    if (given === undefined || !isRecord(target)) return [];
    const path = `${section}.${key}`;
    const written = spelled.get(keyword) ?? keyword;
    const other = target[key];
    delete value[keyword];
    if (other === undefined) {
      value[section] = { ...target, [key]: given };
      spelled.set(path, written);
      return [];
    }
    if (sameDuration(given, other)) return [];
    return [
      { path: written, message: `differs from ${spelled.get(path) ?? path}, which means the same; keep one` },
    ];
  });
}

function sameDuration(a: unknown, b: unknown): boolean {
  return a === b || (milliseconds(a) !== undefined && milliseconds(a) === milliseconds(b));
}

function milliseconds(value: unknown): number | undefined {
  return typeof value === 'string' || typeof value === 'number' ? parseDuration(value) : undefined;
}
