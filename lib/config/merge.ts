import { isRecord } from './path.js';

type Settings = Readonly<Record<string, unknown>>;

/** What `below` gives beside what `above` gives: sections are looked into, lists are not. */
export function uncovered(below: Settings, above: Settings): Record<string, unknown> {
  const rest = Object.entries(below).flatMap(([key, value]): [string, unknown][] => {
    const over = above[key];
    if (over === undefined) return [[key, value]];
    return isRecord(value) && isRecord(over) ? [[key, uncovered(value, over)]] : [];
  });
  return Object.fromEntries(rest);
}

/** Both together, where they have no value in common. */
export function joined(a: Settings, b: Settings): Record<string, unknown> {
  const result: Record<string, unknown> = { ...a };
  for (const [key, value] of Object.entries(b)) {
    const other = result[key];
    result[key] = isRecord(other) && isRecord(value) ? joined(other, value) : value;
  }
  return result;
}
