import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Styled only where the standard output is a terminal that shows it, and `NO_COLOR` does not say otherwise. */
export function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}
