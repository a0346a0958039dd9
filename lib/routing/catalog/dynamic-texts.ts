import type { FunctionCall } from '../statement/mentions.js';
import { readStatement, type Reading } from '../statement/reading.js';
import { parseStatements } from '../statement/syntax.js';
import type { Catalog } from './catalog.js';
import type { FunctionEntry } from './entries.js';
import { readBody } from './function-body.js';
import { argumentsOf } from './lasting-arguments.js';
import { isString } from './overloads.js';
import { filledText, TEMPLATE_FUNCTIONS, TEMPLATE_OPERATOR, type TextTemplate } from './text-template.js';

/** The texts that the functions of a catalog put together and run. */
export class DynamicTexts {
  readonly #catalog: Catalog;
  readonly #path: readonly string[];
  /** Of a body that can't be read, one that nothing is known of. */
  readonly #templates = new Map<number, readonly (TextTemplate | undefined)[]>();

  constructor(catalog: Catalog, path: readonly string[]) {
    this.#catalog = catalog;
    this.#path = path;
  }

  /** Whether it runs a text that its source doesn't show. */
  isHidden(entry: FunctionEntry): boolean {
    return this.#templatesOf(entry).length > 0;
  }

  /** What such a text says in this call, where the literals given complete it; undefined where they don't. */
  completed(entry: FunctionEntry, call: FunctionCall): readonly Reading[] | undefined {
    const templates = this.#templatesOf(entry);
    if (templates.length === 0 || call.isVariadic || !this.#isPlain(entry)) return undefined;
    try {
      const given = givenTexts(entry, call);
      const readings: Reading[] = [];
      for (const template of templates) {
        const text = template && filledText(template, given);
        if (text === undefined) return undefined;
        readings.push(...parseStatements(text).map(readStatement));
      }
      return readings;
    } catch {
      return undefined;
    }
  }

  #templatesOf(entry: FunctionEntry): readonly (TextTemplate | undefined)[] {
    const { oid, definition, language } = entry;
    const known = this.#templates.get(oid);
    if (known) return known;
    const found = definition === null ? [] : (readBody(definition, language)?.templates ?? [undefined]);
    this.#templates.set(oid, found);
    return found;
  }

  /** Whether `format` and its like are the server's own there. */
  #isPlain({ searchPath }: FunctionEntry): boolean {
    const path = searchPath ?? this.#path;
    const joins = this.#catalog.operators({ name: TEMPLATE_OPERATOR, operands: 2, arguments: [] }, path);
    const takesText = (type: number) => isString(type) || this.#catalog.typeByOid(type)?.kind === 'p';
    return (
      TEMPLATE_FUNCTIONS.every((name) =>
        this.#catalog.functions({ name }, path).every(({ isBuiltin }) => isBuiltin),
      ) && !joins.some(({ parameters }) => parameters.every(takesText))
    );
  }
}

/** The texts that a call gives for the arguments, each at its place, and the defaults of those left out. */
function givenTexts(
  { definition }: FunctionEntry,
  { names, plainTexts }: FunctionCall,
): readonly (string | undefined)[] {
  return argumentsOf(definition ?? '').map(({ name, otherwise }, place) => {
    const byName = name === undefined ? -1 : names.indexOf(name);
    const index = byName >= 0 || names[place] !== undefined ? byName : place;
    const isLeftOut = index < 0 || index >= plainTexts.length;
    return isLeftOut ? otherwise : plainTexts[index];
  });
}
