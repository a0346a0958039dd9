import pg from 'pg';

const { utils } = pg as unknown as {
  readonly utils: { readonly prepareValue: (value: unknown) => string | Buffer | null };
};

/** A value as `pg` sends it as a parameter: text, bytes, or null. @throws for one that refers to itself. */
export const prepareValue = utils.prepareValue;
