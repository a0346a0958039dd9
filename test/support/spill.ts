import { inspect } from 'node:util';
import { vi } from 'vitest';

const EVERYTHING = {
  depth: Infinity,
  showHidden: true,
  getters: true,
  maxArrayLength: null,
  maxStringLength: null,
} as const;

/** Collects whatever comes out of a process, to be searched for secrets. */
export class Spill implements Disposable {
  readonly #texts: { readonly from: string; readonly text: string }[] = [];
  readonly #undo: (() => void)[] = [];

  /** Also what is written to the console and what is warned of, until it is disposed of. */
  constructor() {
    for (const name of ['stdout', 'stderr'] as const) {
      const spy = vi.spyOn(process[name], 'write').mockImplementation((text) => {
        this.text(name, String(text));
        return true;
      });
      this.#undo.push(() => spy.mockRestore());
    }
    for (const name of ['debug', 'log', 'info', 'warn', 'error'] as const) {
      const spy = vi
        .spyOn(console, name)
        .mockImplementation((...args) => this.value(`console.${name}`, args));
      this.#undo.push(() => spy.mockRestore());
    }
    const warned = (warning: Error) => this.value('warning', warning);
    process.on('warning', warned);
    this.#undo.push(() => process.off('warning', warned));
  }

  [Symbol.dispose](): void {
    for (const undo of this.#undo) undo();
  }

  get length(): number {
    return this.#texts.reduce((sum, { text }) => sum + text.length, 0);
  }

  text(from: string, text: string): void {
    this.#texts.push({ from, text });
  }

  /** As everybody prints it: by inspect with all options, as JSON, as a string; of an error also its parts. */
  value(from: string, value: unknown): void {
    this.text(`${from}, inspected`, inspect(value, EVERYTHING));
    this.text(`${from}, as JSON`, asJson(value));
    this.text(`${from}, as text`, String(value));
    if (!(value instanceof Error)) return;
    this.text(`${from}, its stack`, value.stack ?? '');
    if (value.cause !== undefined) this.value(`${from}, its cause`, value.cause);
  }

  /** What work says when it fails, as it must. */
  async failure(from: string, work: Promise<unknown>): Promise<void> {
    const error = await work.then(
      () => new Error(`${from} did not fail`),
      (error: unknown) => error,
    );
    if (error instanceof Error && error.message === `${from} did not fail`) throw error;
    this.value(from, error);
  }

  /** Where which of the secrets came out. */
  leaks(secrets: Readonly<Record<string, string>>): string[] {
    return Object.entries(secrets).flatMap(([name, secret]) =>
      this.#texts
        .filter(({ text }) => formsOf(secret).some((form) => text.includes(form)))
        .map(({ from }) => `${name} in ${from}`),
    );
  }
}

/** As it stands, in a URL, and within the base64 of a longer text, whatever stands before it. */
function formsOf(secret: string): string[] {
  const encoded = [0, 1, 2].map((before) => {
    const whole = Buffer.from(`${'x'.repeat(before)}${secret}`).toString('base64');
    return whole.slice(before === 0 ? 0 : 4, -4);
  });
  return [secret, encodeURIComponent(secret), ...encoded];
}

/** Of what has circles nothing comes out. */
function asJson(value: unknown): string {
  try {
    return (
      JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part)) ?? ''
    );
  } catch {
    return '';
  }
}
