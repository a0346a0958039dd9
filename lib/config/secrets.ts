import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';
import { readText, type Found } from './text-file.js';

/** The variables that hold the key of encrypted values, or the path of the file that does. */
const KEY = 'PG_MCP_SECRET_KEY';
const KEY_FILE = 'PG_MCP_SECRET_KEY_FILE';
/** In characters. */
const SHORTEST_KEY = 16;

/** Names the whole recipe: AES-256-GCM under a key that scrypt derives (RFC 7914) with these costs. */
const VERSION = 'v1';
const CIPHER = 'aes-256-gcm';
const SCRYPT = { N: 2 ** 14, r: 8, p: 1 };
const KEY_BYTES = 32;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Encrypts a secret for a configuration: gives the text `${enc:…}` to put in its place. It differs each time.
 *
 * @param key What `PG_MCP_SECRET_KEY` will hold where the configuration is read; at least 16 characters.
 * @throws TypeError for a shorter key.
 */
export function encryptSecret(plain: string, key: string): string {
  if (key.length < SHORTEST_KEY) throw new TypeError(`the key needs at least ${SHORTEST_KEY} characters`);
  const [salt, nonce] = [randomBytes(SALT_BYTES), randomBytes(NONCE_BYTES)];
  const cipher = createCipheriv(CIPHER, derive(key, salt), nonce).setAAD(Buffer.from(VERSION));
  const sealed = [cipher.update(plain, 'utf8'), cipher.final()];
  const whole = Buffer.concat([salt, nonce, ...sealed, cipher.getAuthTag()]);
  return `\${enc:${VERSION}:${whole.toString('base64url')}}`;
}

/** The key of encrypted values as the environment gives it, or what is wrong with that. */
export function findSecretKey(environment: Environment = process.env): Found {
  // Set to nothing is not set, as with the other variables of ours.
  const [own, path] = [environment[KEY] || undefined, environment[KEY_FILE] || undefined];
  if (own !== undefined && path !== undefined)
    return { problem: `both ${KEY} and ${KEY_FILE} are set; keep one` };
  if (own === undefined && path === undefined)
    return { problem: `an encrypted value needs its key: set ${KEY} or ${KEY_FILE}` };
  const found = path === undefined ? { value: own ?? '' } : readText(path, process.cwd());
  const name = path === undefined ? KEY : KEY_FILE;
  if ('problem' in found) return { problem: `${name}: ${found.problem}` };
  if (found.value.length >= SHORTEST_KEY) return found;
  return { problem: `${name}: expected a key of at least ${SHORTEST_KEY} characters` };
}

/** Opens what stands behind `enc:`. */
export type Decrypt = (sealed: string) => Found;

/** Derives a key once for each salt: that takes tens of milliseconds, and a value may stand at many nodes. */
export function decryptionBy(environment: Environment): Decrypt {
  const derived = new Map<string, Buffer>();
  return (sealed) => {
    const key = findSecretKey(environment);
    if ('problem' in key) return key;
    const [version, body = '', ...rest] = sealed.split(':');
    if (version !== VERSION || rest.length > 0)
      return { problem: `expected \${enc:${VERSION}:…} as encryptSecret makes it` };
    const whole = Buffer.from(body, 'base64url');
    const salt = whole.subarray(0, SALT_BYTES);
    const saltText = salt.toString('hex');
    const valueKey = derived.get(saltText) ?? derive(key.value, salt);
    derived.set(saltText, valueKey);
    const value = open(whole.subarray(SALT_BYTES), valueKey);
    if (value !== undefined) return { value };
    return { problem: "can't decrypt it: the key is not the one it was made with, or the value is damaged" };
  };
}

function derive(key: string, salt: Buffer): Buffer {
  return scryptSync(key, salt, KEY_BYTES, SCRYPT);
}

function open(sealed: Buffer, key: Buffer): string | undefined {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(VERSION))
    .setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    const plain = [decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()];
    return Buffer.concat(plain).toString('utf8');
  } catch {
    return undefined;
  }
}
