/** What an argument is known to be: one of these types; or a literal without one; or nothing. */
export type KnownArgument = readonly number[] | 'untyped' | undefined;

export interface Overload {
  /** Of its arguments. */
  readonly parameters: readonly number[];
}

/** Whether a value of one type is taken where another is asked for, without a cast. */
export type CanCoerce = (from: number, to: number) => boolean;

export const TEXT = 25;
/** `text`, `varchar`, `bpchar`, `name`: what a literal without a type is taken for, if that is possible. */
const STRINGS: ReadonlySet<number> = new Set([TEXT, 1043, 1042, 19]);

export function isString(type: number): boolean {
  return STRINGS.has(type);
}

/**
 * The overloads that a call can mean, as far as its arguments tell (manual, "Function Type Resolution" and
 * "Operator Type Resolution"). Never fewer than it could mean: what isn't known excludes nothing.
 */
export function fittingOverloads<O extends Overload>(
  overloads: readonly O[],
  known: readonly KnownArgument[],
  canCoerce: CanCoerce,
): readonly O[] {
  if (overloads.length === 0) return overloads;
  const possible = overloads.filter(({ parameters }) =>
    known.every((types, index) => {
      const parameter = parameters[index];
      if (parameter === undefined || types === undefined || types === 'untyped') return true;
      return types.some((type) => canCoerce(type, parameter));
    }),
  );
  const exact = possible.filter(
    ({ parameters }) =>
      parameters.length === known.length &&
      known.every(
        (types, index) => Array.isArray(types) && types.length === 1 && types[0] === parameters[index],
      ),
  );
  if (exact.length > 0) return exact;
  if (known.length === 0 || !known.every((types) => types === 'untyped')) return possible;
  const asStrings = possible.filter(({ parameters }) =>
    known.every((_, index) => {
      const takesString = possible.some((other) => STRINGS.has(other.parameters[index] ?? 0));
      return !takesString || STRINGS.has(parameters[index] ?? 0);
    }),
  );
  return asStrings.length > 0 ? asStrings : possible;
}
