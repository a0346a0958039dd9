/**
 * Where a standby is sent instead of to the primary it was set up with, and since when: the failover off that
 * timeline. Old ones, of failovers that are over, say nothing of the present one.
 */
export interface Override {
  readonly timeline: number;
  /** Undefined: it is cut off, and hears nobody. */
  readonly to?: Address;
  /** The replication slot it had, which the node that it was sent to does not have. */
  readonly slot?: string;
  /** What was before stands in a file of the operator's: it comes back when `ALTER SYSTEM` is taken back. */
  readonly isFromFile?: boolean;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Conninfo {
  /** As it was before. */
  readonly original: string;
  readonly override?: Override;
}

/** No such folder of sockets: libpq fails there at once. */
const NOWHERE: Address = { host: '/nowhere', port: 5432 };

const MARK = 'fallback_application_name=nestjs-pg-mcp/';
const OVERRIDDEN =
  /^(.*?)[ ?&]fallback_application_name=nestjs-pg-mcp\/(\d+)\/([a-z0-9_]*)\/(file)?\/([^ &]*)[ &]/s;

/**
 * Appends to a `primary_conninfo` what leads elsewhere: of a keyword that comes twice, libpq takes the last
 * (`conninfo_storeval` in its source), in both notations. The note goes into a name that the WAL receiver itself
 * overrides (`libpqrcv_connect`), so that it reaches nobody else.
 */
export function withOverride(original: string, override: Override): string {
  const { timeline, to, slot = '', isFromFile = false } = override;
  const { host, port } = to ?? NOWHERE;
  const target = to ? `${encode(host)}:${port}` : 'cut';
  const mark = `${MARK}${timeline}/${slot}/${isFromFile ? 'file' : ''}/${target}`;
  if (!isUri(original))
    return `${original} ${mark} host=${quoteValue(host)} hostaddr='' port=${quoteValue(`${port}`)}`;
  return `${original}${original.includes('?') ? '&' : '?'}${mark}&host=${encode(host)}&hostaddr=&port=${port}`;
}

/** What `withOverride` has made of it, if it has. */
export function readConninfo(conninfo: string): Conninfo {
  const [, original = '', timeline = '', slot = '', file = '', target = ''] = OVERRIDDEN.exec(conninfo) ?? [];
  if (timeline === '') return { original: conninfo };
  const [host = '', port = ''] = target.split(':');
  const override: Override = {
    timeline: Number(timeline),
    ...(target !== 'cut' && { to: { host: decodeURIComponent(host), port: Number(port) } }),
    ...(slot !== '' && { slot }),
    ...(file !== '' && { isFromFile: true }),
  };
  return { original, override };
}

/** Where a text of keywords leads, if to one place that is plain to see. */
export function plainAddress(original: string): Address | undefined {
  const host = /(?:^|\s)host\s*=\s*'?([^\s',]+)'?(?=\s|$)/.exec(original)?.[1];
  const port = /(?:^|\s)port\s*=\s*'?(\d+)'?(?=\s|$)/.exec(original)?.[1] ?? '5432';
  return host === undefined || isUri(original) ? undefined : { host, port: Number(port) };
}

export function isSameAddress(one: Address | undefined, other: Address | undefined): boolean {
  return one?.host === other?.host && one?.port === other?.port;
}

function isUri(conninfo: string): boolean {
  return /^postgres(ql)?:\/\//.test(conninfo);
}

function encode(host: string): string {
  return encodeURIComponent(host).replaceAll("'", '%27');
}

/** Manual, section 34.1.1.1: backslash and quote are escaped by a backslash. */
function quoteValue(value: string): string {
  return `'${value.replaceAll(/[\\']/g, String.raw`\$&`)}'`;
}
