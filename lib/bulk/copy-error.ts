/** The place, without the value that stands behind it: `COPY people, line 3, column age`. */
const PLACE = /^COPY [^\n]*?(?:: "|$)/m;

/** The server tells beside its message where in the data it was: said with it, it is heard. */
export function explainCopyError(error: unknown): unknown {
  if (!(error instanceof Error && 'where' in error && typeof error.where === 'string')) return error;
  const place = PLACE.exec(error.where)?.[0].replace(/: "$/, '');
  if (place !== undefined && !error.message.includes(place)) error.message = `${error.message} (${place})`;
  return error;
}
