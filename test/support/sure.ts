/** What can't be missing here; if it is, the test says so instead of going on with nothing. */
export function sure<T>(value: T | undefined | null, what = 'a value'): T {
  if (value == null) throw new Error(`${what} is missing`);
  return value;
}
