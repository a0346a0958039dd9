/** With its causes and the errors it gathers. */
export function describeError(error: unknown): string {
  const causes: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) {
    const inner = at instanceof AggregateError ? at.errors.map(String).join('; ') : '';
    causes.push([at.message, inner].filter(Boolean).join(': ') || at.name);
  }
  return causes.length > 0 ? causes.join(' ← ') : String(error);
}
