import { createSecureContext, type ConnectionOptions as TlsOptions } from 'node:tls';
import { ConfigError, describeError, type ConfigFault } from '../errors.js';
import { areSame, judgeTlsFiles, readTlsFiles, TLS_FILES, type TlsFiles } from './tls-files.js';

/** libpq's (manual, section 34.19.1), but for those that go on without TLS where the server has none. */
export const TLS_MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const;

/** What is verified of a server: nothing, its authority, its name too. */
export type TlsMode = Exclude<(typeof TLS_MODES)[number], 'disable'>;

/** Options of `tls.connect`, the files that some are read from, and the mode. */
export type TlsSettings = TlsOptions & TlsFiles & { readonly mode?: TlsMode };

/** How to speak TLS to a server. The files are read for each connection, so that new ones serve at once. */
export class Tls {
  readonly mode: TlsMode;
  readonly #settings: TlsSettings;
  #made: { readonly of: TlsFiles; readonly options: TlsOptions } | undefined;

  constructor(settings: TlsSettings = {}) {
    this.#settings = settings;
    this.mode = modeOf(settings);
  }

  /**
   * For one more connection.
   *
   * @throws ConfigError that names each file that can't be used, and its setting.
   */
  options(): TlsOptions {
    const faults: ConfigFault[] = [];
    const contents = readTlsFiles(this.#settings, faults);
    if (faults.length > 0) throw tlsError(faults);
    // A bundle of authorities takes milliseconds, and is the same most of the time.
    if (!this.#made || !areSame(this.#made.of, contents))
      this.#made = { of: contents, options: this.#make(contents) };
    return this.#made.options;
  }

  /** What `options` would throw. Paths are settings of `ssl`. */
  faults(): readonly ConfigFault[] {
    try {
      this.options();
      return [];
    } catch (error) {
      if (error instanceof ConfigError) return error.faults;
      throw error;
    }
  }

  #make(contents: TlsFiles): TlsOptions {
    const { passphrase, servername, checkServerIdentity = this.#identityCheck } = this.#settings;
    const faults = judgeTlsFiles(contents, this.#settings, passphrase);
    if (faults.length > 0) throw tlsError(faults);
    return {
      // Keys and passphrase stay in there, where nothing prints them.
      secureContext: this.#settings.secureContext ?? makeContext(this.#settings, contents),
      rejectUnauthorized: this.mode !== 'require',
      ...(servername !== undefined && { servername }),
      ...(checkServerIdentity && { checkServerIdentity }),
    };
  }

  get #identityCheck(): TlsOptions['checkServerIdentity'] {
    return this.mode === 'verify-ca' ? () => undefined : undefined;
  }
}

function modeOf({ mode, rejectUnauthorized, ca, caFile }: TlsSettings): TlsMode {
  if (mode === undefined) return rejectUnauthorized === false ? 'require' : 'verify-full';
  // As in libpq: who names an authority wants it to be asked.
  return mode === 'require' && (ca !== undefined || caFile !== undefined) ? 'verify-ca' : mode;
}

function makeContext(settings: TlsSettings, contents: TlsFiles) {
  const read = Object.entries(TLS_FILES).flatMap(([key, option]) => {
    const content = contents[key as keyof TlsFiles];
    return content === undefined ? [] : [[option, content]];
  });
  try {
    return createSecureContext({ ...settings, ...Object.fromEntries(read) });
  } catch (error) {
    throw tlsError([{ path: '', message: `OpenSSL refuses these settings: ${describeError(error)}` }], error);
  }
}

function tlsError(faults: readonly ConfigFault[], cause?: unknown): ConfigError {
  return new ConfigError('ssl', faults, { cause });
}
