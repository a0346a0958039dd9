/** A table of text: what is printed, written to the README and kept as JSON beside the figures it comes from. */
export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What to know beside it. */
  readonly notes: readonly string[];
}

export function asText({ title, columns, rows, notes }: Table): string {
  const plain = [columns, ...rows].map((row) => row.map((cell) => cell.replaceAll('`', '')));
  const widths = columns.map((_, i) => Math.max(...plain.map((row) => (row[i] ?? '').length)));
  const line = (row: readonly string[]) =>
    widths
      .map((width, i) => (i === 0 ? (row[i] ?? '').padEnd(width) : (row[i] ?? '').padStart(width)))
      .join('  ');
  const [head = [], ...body] = plain;
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [`\n${title}`, '', line(head), rule, ...body.map(line), ...notes.map((note) => `  ${note}`)].join(
    '\n',
  );
}

export function asMarkdown({ title, columns, rows, notes }: Table): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const rule = columns.map((_, i) => (i === 0 ? '---' : '---:'));
  const table = [line(columns), line(rule), ...rows.map((row) => line(columns.map((_, i) => row[i] ?? '')))];
  return [
    '',
    `**${title}**`,
    '',
    ...table,
    ...(notes.length > 0 ? ['', ...notes.map((note) => `- ${note}`)] : []),
  ].join('\n');
}
