/** What a stored expression was resolved to when it was made. */
export interface References {
  readonly functions: readonly number[];
  /** Operators of the user's own are among the functions too, where the tree says so. */
  readonly operators: readonly number[];
  readonly relations: readonly number[];
  readonly types: readonly number[];
  readonly locksRows: boolean;
  /** `CURRENT_USER` and its kin. */
  readonly readsAccount: boolean;
}

export const NO_REFERENCES: References = {
  functions: [],
  operators: [],
  relations: [],
  types: [],
  locksRows: false,
  readsAccount: false,
};

/** `CURRENT_ROLE`, `CURRENT_USER`, `USER`, `SESSION_USER`, as the server numbers them. */
const ACCOUNT: readonly number[] = [9, 10, 11, 12];

/** Reads `funcid 12 relid 34 …`, as the catalog's queries give it. */
export function readReferences(text: string | null): References {
  if (text === null || text === '') return NO_REFERENCES;
  const functions = new Set<number>();
  const operators = new Set<number>();
  const relations = new Set<number>();
  const types = new Set<number>();
  let locksRows = false;
  let readsAccount = false;
  const parts = text.split(' ');
  for (let index = 0; index + 1 < parts.length; index += 2) {
    const oid = Number(parts[index + 1]);
    switch (parts[index] ?? '') {
      case 'relid':
        relations.add(oid);
        break;
      case 'opno':
      case 'eqop':
      case 'sortop':
        operators.add(oid);
        break;
      case 'resulttype':
        types.add(oid);
        break;
      case 'hasForUpdate':
        locksRows = true;
        break;
      case 'SQLVALUEFUNCTION:op':
        readsAccount ||= ACCOUNT.includes(oid);
        break;
      default:
        functions.add(oid);
    }
  }
  return {
    functions: [...functions],
    operators: [...operators],
    relations: [...relations],
    types: [...types],
    locksRows,
    readsAccount,
  };
}

export function oids(text: string | null): number[] {
  return text === null || text === ''
    ? []
    : text
        .split(' ')
        .map(Number)
        .filter((oid) => oid > 0);
}
