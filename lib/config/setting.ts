import { z } from 'zod';

/** A setting that need not be given: `fallback` is read as if it stood in the file. */
export function setting<T extends z.ZodType>(
  type: T,
  fallback: z.core.util.NoUndefined<z.input<T>>,
  meaning: string,
) {
  return type.prefault(fallback).describe(`${meaning} Default: ${String(fallback)}.`);
}

/** An object of which every key is known. */
export function section<T extends z.core.$ZodLooseShape>(meaning: string, shape: T) {
  return z.strictObject(shape, { error: 'expected an object' }).describe(meaning);
}
