export interface SynchronousNames {
  /** How many standbys a commit waits for. */
  readonly count: number;
  readonly names: readonly string[];
}

/** `synchronous_standby_names` (manual, section 19.6.2), or undefined where it is in no known form. */
export function parseSynchronousNames(setting: string): SynchronousNames | undefined {
  const [, count = '1', listed = setting] =
    /^\s*(?:(?:FIRST|ANY)\s+)?(\d+)\s*\((.*)\)\s*$/is.exec(setting) ?? [];
  const names = [...listed.matchAll(/"((?:[^"]|"")*)"|([^\s,"()]+)/g)].map(
    ([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare ?? '',
  );
  return names.length === 0 ? undefined : { count: Number(count), names };
}
