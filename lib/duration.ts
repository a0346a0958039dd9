const MS_PER_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A duration as people write it: `'500ms'`, `'2s'`, `'5m'` or `'5min'`, `'1h'`, `'1d'`, or a plain number of seconds. */
export type Duration = string | number;

/** Whole milliseconds of a duration, or `undefined` where it is none (negative, unitless text, not finite). */
export function parseDuration(value: Duration): number | undefined {
  if (typeof value === 'number') return amount(value * 1_000);
  const match = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)\s*$/.exec(value);
  const perUnit = MS_PER_UNIT[match?.[2] ?? ''];
  return perUnit === undefined ? undefined : amount(Number(match?.[1]) * perUnit);
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

/** Whole bytes of a size, or `undefined` where it is none. */
export function parseByteSize(value: ByteSize): number | undefined {
  if (typeof value === 'number') return amount(value);
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kKMGT]?i?B)\s*$/.exec(value);
  const perUnit = BYTES_PER_UNIT[match?.[2] ?? ''];
  return perUnit === undefined ? undefined : amount(Number(match?.[1]) * perUnit);
}

/** A quantity that numbers hold exactly. Digits beyond that are no duration and no size anyone means. */
function amount(value: number): number | undefined {
  const whole = Math.round(value);
  return value >= 0 && Number.isSafeInteger(whole) ? whole : undefined;
}

/** For messages: `250 ms`, `2 s`, `1.5 min`. */
export function formatDuration(ms: number): string {
  if (Math.round(ms) < 1_000) return `${Math.round(ms)} ms`;
  const seconds = Number((ms / 1_000).toFixed(1));
  return seconds < 60 ? `${seconds} s` : `${Number((ms / 60_000).toFixed(1))} min`;
}
