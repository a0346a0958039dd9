/** Deep enough to lead through an ORM or a framework to who called that. */
const FRAMES = 30;

/** Frames of this library, wherever it is installed, and of Node.js lead nobody to his own call. */
const OWN = new URL('..', import.meta.url).pathname;
const isForeign = (line: string) => !line.includes(OWN) && !line.includes('(node:internal/');

/** Where a call came from. Taking it costs some microseconds; its text, more than that, is made when it is wanted. */
export class CallStack {
  /** What the frames refer to is kept alive as long. */
  #taken: { stack?: string } | undefined;
  #text = '';

  constructor() {
    const taken = {};
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = FRAMES;
    Error.captureStackTrace(taken, CallStack);
    Error.stackTraceLimit = limit;
    this.#taken = taken;
  }

  /** One line a frame; empty where all were of this library. */
  get text(): string {
    this.settle();
    return this.#text;
  }

  settle(): void {
    if (!this.#taken) return;
    const [, ...frames] = (this.#taken.stack ?? '').split('\n');
    this.#text = frames.filter(isForeign).join('\n');
    this.#taken = undefined;
  }
}
