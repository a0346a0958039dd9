/** What PostgreSQL's lexer finds, where the text has nothing out of the ordinary. Its white space is that of ASCII. */
const TOKEN =
  /[ \t\n\r\f\v]*("(?:[^"\0]|"")*"|'(?:[^'\\\0]|'')*'|[a-z_\u0080-\uffff][\w$\u0080-\uffff]*|\$\d+|\d[\w.]*|:=|::|[-+*/<>=~!@#%^&|`?]+|[(),;.:[\]])/iy;
const SHAPED = /^[ \t\n\r\f\v]*(?:select|with|insert|update|delete)\b/i;
/** A larger number may be of another type. */
const LITERAL = /^(?:'|\d{1,9}$)/;
const COMPARES = /^(?:=|<>|!=|[<>]=?)$/;
const COUNTS = /^(?:limit|offset)$/i;
const LISTS = /^in$/i;
const COMMENT = /--|\/\*/;
/** A quote right behind it begins another kind of text, and so may one behind a text. */
const MARKS_QUOTE = /[\w$&'"\u0080-\uffff]$/;
/** A cast, an operator or one more literal would make it part of something else. */
const ENDS_OPERAND = /^(?:[),;]|[a-z_])/i;

interface Token {
  readonly text: string;
  readonly start: number;
}

const NONE: Token = { text: '', start: -1 };

/** One literal that a text compares with or counts by, or all that it lists after IN. */
export interface Place {
  readonly start: number;
  readonly end: number;
  /** What stands for it in the shape. */
  readonly kind: string;
}

/**
 * The text without the values of literals that it compares with, counts by or lists after IN. Whatever they are, it does
 * the same and names the same: all texts of a shape are of one class. An ORM that writes values into its statements
 * makes a new text with each. A text with anything that is not understood here is its own shape.
 */
export function shapeOf(text: string): string {
  let shape = '';
  let done = 0;
  for (const { start, end, kind } of placesIn(text)) {
    shape += text.slice(done, start) + kind;
    done = end;
  }
  return shape + text.slice(done);
}

/** Where a text has such literals, from its beginning. */
export function placesIn(text: string): Place[] {
  const tokens = (SHAPED.test(text) ? tokensOf(text) : undefined) ?? [];
  const places: Place[] = [];
  const add = (first: Token, last: Token) =>
    places.push({ start: first.start, end: last.start + last.text.length, kind: kindOf(first) });
  for (let i = 1; i < tokens.length; i++) {
    const [before = NONE, token = NONE] = [tokens[i - 1], tokens[i]];
    // There a reserved word is a name like any other: `public.in('x')` is a call.
    if (tokens[i - 2]?.text === '.') continue;
    if (COMPARES.test(before.text) || COUNTS.test(before.text)) {
      if (isLiteral(token) && endsOperand(tokens[i + 1])) add(token, token);
    } else if (token.text === '(' && LISTS.test(before.text)) {
      const last = lastOfList(tokens, i + 1);
      if (last) add(tokens[i + 1] ?? NONE, last);
    }
  }
  return places;
}

function tokensOf(text: string): Token[] | undefined {
  const tokens: Token[] = [];
  let end = 0;
  const length = text.trimEnd().length;
  while (end < length) {
    TOKEN.lastIndex = end;
    const found = TOKEN.exec(text)?.[1];
    if (found === undefined || COMMENT.test(found)) return undefined;
    const start = TOKEN.lastIndex - found.length;
    const before = tokens.at(-1)?.text ?? '';
    const isQuoted = found.startsWith("'") || found.startsWith('"');
    if (isQuoted && MARKS_QUOTE.test(before) && (start === end || before.endsWith("'"))) return undefined;
    tokens.push({ text: found, start });
    end = TOKEN.lastIndex;
  }
  return tokens;
}

/** Of a list of literals of one kind that begins here and is closed behind it. */
function lastOfList(tokens: readonly Token[], first: number): Token | undefined {
  const kind = kindOf(tokens[first]);
  for (let i = first; ; i += 2) {
    const token = tokens[i];
    if (!token || !isLiteral(token) || kindOf(token) !== kind) return undefined;
    const next = tokens[i + 1]?.text;
    if (next === ')') return token;
    if (next !== ',') return undefined;
  }
}

function isLiteral({ text }: Token): boolean {
  return LITERAL.test(text);
}

function endsOperand(next: Token | undefined): boolean {
  return next === undefined || ENDS_OPERAND.test(next.text);
}

function kindOf(literal: Token | undefined): string {
  return literal?.text.startsWith("'") ? "''" : '0';
}
