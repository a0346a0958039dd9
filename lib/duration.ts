const MS_PER_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A duration as people write it: `'500ms'`, `'2s'`, `'5m'`, `'1h'`, `'1d'`, or a plain number of seconds. */
export type Duration = string | number;

/** Milliseconds of a duration, or `undefined` where it is none (negative, unitless text, not finite). */
export function parseDuration(value: Duration): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value * 1_000 : undefined;
  const match = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*$/.exec(value);
  const perUnit = MS_PER_UNIT[match?.[2] ?? ''];
  return perUnit === undefined ? undefined : Number(match?.[1]) * perUnit;
}

const BYTES_PER_UNIT: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1_000,
  KB: 1_000,
  MB: 1_000 ** 2,
  GB: 1_000 ** 3,
  TB: 1_000 ** 4,
  KiB: 1_024,
  MiB: 1_024 ** 2,
  GiB: 1_024 ** 3,
  TiB: 1_024 ** 4,
};

/** A size as people write it: `'16MiB'`, `'1GB'`, or a plain number of bytes. */
export type ByteSize = string | number;

/** Bytes of a size, or `undefined` where it is none. */
export function parseByteSize(value: ByteSize): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value : undefined;
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kKMGT]?i?B)\s*$/.exec(value);
  const perUnit = BYTES_PER_UNIT[match?.[2] ?? ''];
  return perUnit === undefined ? undefined : Math.round(Number(match?.[1]) * perUnit);
}

/** For messages: `250 ms`, `2 s`, `1.5 min`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${Number((ms / 1_000).toFixed(1))} s`;
  return `${Number((ms / 60_000).toFixed(1))} min`;
}
