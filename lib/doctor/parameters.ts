/** A parameter of the server as a number in its base unit; undefined where this version has none of that name. */
export function numberOf(parameters: ReadonlyMap<string, string>, name: string): number | undefined {
  const setting = parameters.get(name);
  return setting === undefined ? undefined : Number(setting);
}
