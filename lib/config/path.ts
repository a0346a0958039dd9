import { resolve } from 'node:path';

export type Path = readonly PropertyKey[];

/** `['replicas', 1, 'port']` as `replicas[1].port`. */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, segment) => {
    if (typeof segment === 'number') return `${text}[${segment}]`;
    return text === '' ? String(segment) : `${text}.${String(segment)}`;
  }, '');
}

/** Stands where a value has a fault already: no default takes its place and no second fault is raised. */
export const FAILED = Symbol('failed');

/** A value that holds settings: neither a list, nor bytes, nor null. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

/** An object that was written as one, and no instance of a class. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Every text under a key that ends in `_file` as an absolute path. */
export function withAbsolutePaths(
  settings: Record<string, unknown>,
  folder: string,
): Record<string, unknown> {
  const visit = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(visit);
    return isPlain(value) ? visitAll(value) : value;
  };
  const visitAll = (settings: Record<string, unknown>) =>
    Object.fromEntries(
      Object.entries(settings).map(([key, value]) => {
        const isPath = key.endsWith('_file') && typeof value === 'string' && value !== '';
        return [key, isPath ? resolve(folder, value) : visit(value)];
      }),
    );
  return visitAll(settings);
}
