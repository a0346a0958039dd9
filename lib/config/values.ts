import { z } from 'zod';
import { type ByteSize, type Duration, parseByteSize, parseDuration } from '../duration.js';
import type { FailoverCallback } from '../failover-event.js';
import type { Password } from './settings.js';

/** A timer set for longer fires at once (Node.js manual, `setTimeout`). */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

type JsonForm = Readonly<Record<string, unknown>>;

/** Any string may hold `${…}`, whatever its value must be in the end. */
const INTERPOLATED: JsonForm = { type: 'string', pattern: '\\$\\{' };
type Interpolated = `${string}\${${string}}${string}`;

/**
 * One kind of value: what to tell people who get it wrong, how to read it, and what editors check.
 * `parse` gives `undefined` for what it does not take.
 */
function kind<In, Out>(expected: string, parse: (value: unknown) => Out | undefined, json: JsonForm) {
  return z
    .custom<In>(() => true)
    .transform((value, context): Out => {
      const parsed = parse(value);
      if (parsed !== undefined) return parsed;
      context.addIssue({ code: 'custom', message: `expected ${expected}`, input: value });
      // Not z.NEVER, which is an object: the checks across fields look at what the rest gave.
      return undefined as never;
    })
    .meta(json);
}

export function text(expected: string, accept: (value: string) => boolean = () => true) {
  const parse = (value: unknown) =>
    typeof value === 'string' && value !== '' && accept(value) ? value : undefined;
  return kind<string, string>(expected, parse, { type: 'string', minLength: 1 });
}

export function choice<const T extends string>(values: readonly T[]) {
  const quoted = values.map((value) => `'${value}'`);
  const expected =
    quoted.length > 1 ? `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}` : `${quoted[0]}`;
  const parse = (value: unknown) => values.find((known) => known === value);
  return kind<T | Interpolated, T>(expected, parse, { anyOf: [{ enum: values }, INTERPOLATED] });
}

/** A number, or the text of one, as `${DB_PORT}` gives it. */
export function number(expected: string, range: { min: number; max?: number; whole?: boolean }) {
  const { min, max = Number.MAX_SAFE_INTEGER, whole = true } = range;
  const parse = (value: unknown) => {
    const found = numeric(value);
    const fits = found !== undefined && found >= min && found <= max && (!whole || Number.isInteger(found));
    return fits ? found : undefined;
  };
  const json = {
    type: whole ? 'integer' : 'number',
    minimum: min,
    ...(range.max !== undefined && { maximum: max }),
  };
  return kind<number | string, number>(expected, parse, { anyOf: [json, INTERPOLATED] });
}

export function flag(expected = 'true or false') {
  const parse = (value: unknown) => {
    if (value === 'true') return true;
    if (value === 'false') return false;
    return typeof value === 'boolean' ? value : undefined;
  };
  return kind<boolean | Interpolated, boolean>(expected, parse, {
    anyOf: [{ type: 'boolean' }, INTERPOLATED],
  });
}

/** Milliseconds. */
export function duration({ zero }: { zero: 'allowed' | 'refused' }) {
  const least = zero === 'allowed' ? '' : ' above zero';
  const parse = (value: unknown) => {
    const ms = isTextOrNumber(value) ? parseDuration(numeric(value) ?? value) : undefined;
    return ms === undefined || ms > LONGEST_TIMER_MS || (ms === 0 && zero === 'refused') ? undefined : ms;
  };
  const seconds = zero === 'allowed' ? { minimum: 0 } : { exclusiveMinimum: 0 };
  return kind<Duration, number>(
    `a duration${least} like '500ms' or '2s', or a number of seconds (24 days at most)`,
    parse,
    {
      anyOf: [
        { type: 'number', ...seconds },
        { type: 'string', pattern: '^\\s*\\d+(\\.\\d+)?\\s*(ms|s|min|m|h|d)\\s*$|\\$\\{' },
      ],
    },
  );
}

/** Bytes. */
export function byteSize() {
  const parse = (value: unknown) =>
    isTextOrNumber(value) ? parseByteSize(numeric(value) ?? value) : undefined;
  return kind<ByteSize, number>("a size like '16MiB' or a number of bytes", parse, {
    anyOf: [
      { type: 'integer', minimum: 0 },
      { type: 'string', pattern: '^\\s*\\d+(\\.\\d+)?\\s*([kKMGT]i?)?B\\s*$|\\$\\{' },
    ],
  });
}

export function password() {
  const isPassword = (value: unknown): value is Password =>
    typeof value === 'string' || typeof value === 'function';
  const expected = 'a string (from TypeScript also a function that gives one)';
  return kind<Password, Password>(expected, (value) => (isPassword(value) ? value : undefined), {
    type: 'string',
  });
}

/** A function; a file can't hold one. */
export function callback() {
  const isFunction = (value: unknown): value is FailoverCallback => typeof value === 'function';
  return kind<FailoverCallback, FailoverCallback>(
    'a function',
    (value) => (isFunction(value) ? value : undefined),
    { not: {} },
  );
}

/** Without an account: settings hold that where nothing prints it. */
export function isHttpUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, username, password } = new URL(value);
  return /^https?:$/.test(protocol) && username === '' && password === '';
}

type Pem = string | Buffer | readonly (string | Buffer)[];

/** Certificates and keys. A path in their place is the usual slip, and TLS would report it in riddles. */
export function pem(fileSetting: string) {
  const isOne = (value: unknown) =>
    typeof value === 'string' ? value.includes('-----BEGIN ') : value instanceof Uint8Array;
  const isPem = (value: unknown): value is Pem =>
    Array.isArray(value) ? value.length > 0 && value.every(isOne) : isOne(value);
  const one = { type: 'string', pattern: '-----BEGIN |\\$\\{' };
  return kind<Pem, Pem>(
    `the PEM text itself; a path goes into ${fileSetting}`,
    (value) => (isPem(value) ? value : undefined),
    {
      anyOf: [one, { type: 'array', items: one, minItems: 1 }],
    },
  );
}

function isTextOrNumber(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number';
}

function numeric(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  return typeof value === 'string' && /^\s*-?\d+(\.\d+)?\s*$/.test(value) ? Number(value) : undefined;
}
