const DEFAULT_PORT = 3000;
const HIGHEST_PORT = 65_535;

export class BadPort extends Error {
  readonly code = 'BAD_PORT';
}

/**
 * The port to listen on; 0 is any free one.
 *
 * @throws BadPort
 */
export function readPort(value: string | undefined): number {
  if (value === undefined || value === '') return DEFAULT_PORT;
  const port = /^\d+$/.test(value) ? Number(value) : Infinity;
  if (port <= HIGHEST_PORT) return port;
  throw new BadPort(`PORT is ${JSON.stringify(value)}: expected a number from 0 to ${HIGHEST_PORT}`);
}
