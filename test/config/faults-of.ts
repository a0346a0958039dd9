import { loadSettings } from '../../lib/config/index.js';
import { ConfigError } from '../../lib/errors.js';

type Environment = Record<string, string>;

/** The faults of a configuration as `path: message`. Takes what the types forbid, as JavaScript and files do. */
export function faultsOf(config: unknown, options: unknown = {}, environment: Environment = {}): string[] {
  return errorOf(config, options, environment).faults.map(({ path, message }) => `${path}: ${message}`);
}

export function errorOf(config: unknown, options: unknown = {}, environment: Environment = {}): ConfigError {
  try {
    loadSettings(config as string, options as object, environment);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('the configuration was accepted');
}
