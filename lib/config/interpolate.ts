import type { ConfigFault } from '../errors.js';
import { FAILED, type Path, formatPath, isPlain } from './path.js';
import type { Decrypt } from './secrets.js';
import { readText, type Found } from './text-file.js';

export interface Surroundings {
  /** Where relative paths of `${file:…}` start. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly decrypt: Decrypt;
}

export interface Interpolated {
  readonly value: Record<string, unknown>;
  readonly faults: readonly ConfigFault[];
  /** The strings that held `${…}`, as they were written, by path. */
  readonly templates: ReadonlyMap<string, string>;
}

/** Replaces `${…}` in every string. What can't be replaced becomes `FAILED` and a fault. */
export function interpolate(settings: Record<string, unknown>, surroundings: Surroundings): Interpolated {
  const faults: ConfigFault[] = [];
  const templates = new Map<string, string>();

  const visit = (item: unknown, path: Path): unknown => {
    if (typeof item === 'string') {
      if (!item.includes('${')) return item;
      templates.set(formatPath(path), item);
      const result = interpolateText(item, surroundings);
      faults.push(...result.problems.map((message) => ({ path: formatPath(path), message })));
      return result.problems.length === 0 ? result.text : FAILED;
    }
    if (Array.isArray(item)) return item.map((element, index) => visit(element, [...path, index]));
    return isPlain(item) ? visitAll(item, path) : item;
  };
  const visitAll = (items: Record<string, unknown>, path: Path) =>
    Object.fromEntries(Object.entries(items).map(([key, item]) => [key, visit(item, [...path, key])]));
  return { value: visitAll(settings, []), faults, templates };
}

/**
 * Replaces `${VAR}`, `${VAR:-default}`, `${file:path}` and `${enc:…}` in one string; `$${` stands for `${`.
 * What was put in is not looked at again. Inside the user and password of a `postgres://` URL it is
 * percent-encoded, so a secret means the same there as anywhere else.
 */
export function interpolateText(
  text: string,
  surroundings: Surroundings,
): { text: string; problems: string[] } {
  const problems: string[] = [];
  const credentialsEnd = /^postgres(ql)?:\/\//i.test(text) ? text.lastIndexOf('@') : -1;
  const replaced = text.replace(
    /\$\$\{|\$\{([^}]*)(\}?)/g,
    (match, body: string | undefined, end, offset: number) => {
      if (body === undefined) return '${';
      const found =
        end === '' ? { problem: 'a ${ without its }; write $${ for a plain ${' } : lookUp(body, surroundings);
      if ('problem' in found) problems.push(found.problem);
      else return offset < credentialsEnd ? encodeURIComponent(found.value) : found.value;
      return match;
    },
  );
  return { text: replaced, problems };
}

function lookUp(body: string, { folder, environment, decrypt }: Surroundings): Found {
  if (body.startsWith('file:')) return readText(body.slice('file:'.length), folder);
  if (body.startsWith('enc:')) return decrypt(body.slice('enc:'.length));
  const [, name, fallback] = /^([A-Za-z_]\w*)(?::-(.*))?$/s.exec(body) ?? [];
  if (name === undefined || fallback?.includes('${') === true) {
    return {
      problem: 'expected ${VAR}, ${VAR:-default}, ${file:/path} or ${enc:…}; write $${ for a plain ${',
    };
  }
  const value = environment[name];
  if (fallback !== undefined) return { value: value === undefined || value === '' ? fallback : value };
  return value === undefined ? { problem: `the environment variable ${name} is not set` } : { value };
}
