import type { PasswordFunction } from '../../lib/config/index.js';

const TARGET = { host: 'db1', port: 5432, user: 'app' };

/** Settings with what their secrets give in their places. */
export function revealed(settings: unknown): unknown {
  if (Array.isArray(settings)) return settings.map(revealed);
  if (typeof settings !== 'object' || settings === null) return settings;
  const entries = Object.entries(settings).map(([key, value]: [string, unknown]) => {
    const isSecret = (key === 'password' || key === 'secret') && typeof value === 'function';
    return [key, isSecret ? (value as PasswordFunction)(TARGET) : revealed(value)] as const;
  });
  return Object.fromEntries(entries);
}
