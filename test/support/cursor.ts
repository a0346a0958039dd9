import { createRequire } from 'node:module';

/** The part of `pg-cursor` that tests use; the package has no types. */
export interface Cursor {
  submit(connection: unknown): void;
  read(rows: number): Promise<unknown[]>;
  close(): Promise<void>;
}

export const Cursor = createRequire(import.meta.url)('pg-cursor') as new (text: string) => Cursor;
