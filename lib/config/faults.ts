import type { z } from 'zod';
import type { ConfigFault } from '../errors.js';
import { type Path, formatPath, isRecord } from './path.js';

/** Where the checked values came from. */
export interface Origins {
  /** The fault at `path`, spelled as it was in the file or the options. */
  readonly report: (path: string, message: string) => ConfigFault;
  /** The strings that `${…}` or a URL filled, as they were written. */
  readonly templates: ReadonlyMap<string, string>;
  /** Paths that have a fault already. */
  readonly failed: ReadonlySet<string>;
}

type Issue = z.core.$ZodIssue;

const SECRETS = ['password', 'secret', 'passphrase', 'key', 'pfx'];

/** zod's issues in our words. A message that begins with `expected` gets what was found in front. */
export function faultsOf(issues: readonly Issue[], origins: Origins): ConfigFault[] {
  return issues.flatMap((issue) => faultsOfIssue(issue, [], origins));
}

function faultsOfIssue(issue: Issue, parent: Path, origins: Origins): ConfigFault[] {
  const path = [...parent, ...issue.path];
  if (ancestry(path).some((ancestor) => origins.failed.has(ancestor))) return [];
  if (issue.code === 'invalid_union') {
    const meant = (isRecord(issue.input) ? issue.errors.at(-1) : issue.errors[0]) ?? [];
    return meant.flatMap((inner) => faultsOfIssue(inner, path, origins));
  }
  const { message } = issue;
  const text = message.startsWith('expected') ? `${found(issue.input, path, origins)}, ${message}` : message;
  return [origins.report(formatPath(path), text)];
}

/** Never a secret, and never what a variable or a file held: it may be the wrong one's. */
function found(value: unknown, path: Path, { templates }: Origins): string {
  if (value === undefined) return 'is missing';
  const secret = path.some((segment) => SECRETS.includes(String(segment)));
  const own = templates.get(formatPath(path));
  const inherited = ancestry(path).some((ancestor) => templates.has(ancestor));
  if (!secret && own !== undefined) return `found the value of ${show(own)}`;
  return `found ${secret || inherited ? kindOf(value) : show(value)}`;
}

function show(value: unknown): string {
  if (typeof value === 'string') return showText(value);
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : kindOf(value);
}

/** An address may carry a password, wherever it was put by mistake. */
function showText(value: string): string {
  if (value === '') return 'an empty string';
  return /:\/\/|@/.test(value) ? 'a URL or an address' : JSON.stringify(value);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** `replicas[1].port` and everything it is part of. */
function ancestry(path: Path): string[] {
  return path.map((_, index) => formatPath(path.slice(0, index + 1)));
}
