const IDENTIFIER = /(?:"(?:[^"\0]|"")+"|[\p{L}_][\p{L}\p{N}_$]*)/u;
const TABLE = new RegExp(`^\\s*(${IDENTIFIER.source})(?:\\s*\\.\\s*(${IDENTIFIER.source}))?\\s*$`, 'u');

/** The name as PostgreSQL is to read it, of `orders`, `shop.orders`, `"Orders"`; undefined for what is no name. */
export function quotedTable(name: string): string | undefined {
  const [, first, second] = TABLE.exec(name) ?? [];
  if (first === undefined) return undefined;
  return [first, second]
    .flatMap((part) => part ?? [])
    .map(quotedPart)
    .join('.');
}

/** A column's name is taken as it is, also in its case. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Without quotes a name is folded as the server does it, and then it may be a keyword. */
function quotedPart(part: string): string {
  return part.startsWith('"') ? part : quoted(part.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()));
}
