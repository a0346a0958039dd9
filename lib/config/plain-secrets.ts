import { formatPath, isRecord, type Path } from './path.js';

/** The keys whose value nobody should read in a file. */
const SECRET_KEYS = new Set(['password', 'passphrase', 'secret', 'key']);

/** The paths of a file's secrets that stand there to be read: neither `${VAR}` nor `${file:…}` nor `${enc:…}`. */
export function plainSecrets(file: Record<string, unknown>): string[] {
  const found: string[] = [];
  const visit = (item: unknown, path: Path): void => {
    if (typeof item === 'string') {
      if (isPlain(secretIn(item, path) ?? '')) found.push(formatPath(path));
    } else if (Array.isArray(item)) item.forEach((element, index) => visit(element, [...path, index]));
    else if (isRecord(item)) for (const [key, inner] of Object.entries(item)) visit(inner, [...path, key]);
  };
  visit(file, []);
  return found;
}

function secretIn(text: string, path: Path): string | undefined {
  if (SECRET_KEYS.has(String(path.at(-1)))) return text;
  return /^postgres(?:ql)?:\/\/[^:@/?]*:([^@]*)@/i.exec(text)?.[1];
}

/** A default is plain too: `${VAR:-secret}`. */
function isPlain(text: string): boolean {
  const references = [...text.replaceAll('$${', '').matchAll(/\$\{([^}]*)\}/g)].map(([, body = '']) => body);
  return text !== '' && references.every((body) => /^\w+:-./s.test(body));
}
