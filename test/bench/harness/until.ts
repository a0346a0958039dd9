const PATIENCE_MS = 30_000;
const PAUSE_MS = 20;

/** @throws Error that says what did not come about. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline;) {
    if (await holds()) return;
    await pause(PAUSE_MS);
  }
  throw new Error(`in ${PATIENCE_MS / 1_000} s it never was so: ${what}`);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}
