import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

/** A text, or why there is none. */
export type Found = { readonly value: string } | { readonly problem: string };

/** The content of a file less one newline at its end, which editors and `echo` add; or why it can't be read. */
export function readText(path: string, folder: string): Found {
  const file = resolve(folder, path);
  try {
    return { value: readFileSync(file, 'utf8').replace(/\r?\n$/, '') };
  } catch (error) {
    return { problem: `can't read ${file}: ${reason(error)}` };
  }
}

function reason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EISDIR') return 'it is a folder';
  if (code === 'EACCES') return 'the permission is missing';
  return error instanceof Error ? error.message : String(error);
}
