import type { Facts } from '../facts.js';
import { fail, finding, pass, type Finding, type Verdict } from '../finding.js';

/** Whether the file holds secrets that anybody can read. */
export function checkSecrets({ settings }: Facts): Finding[] {
  return [finding('secrets', judge(settings.plainSecrets, settings.source))];
}

function judge(plain: readonly string[] | undefined, source: string): Verdict {
  if (!plain) return pass('the settings come from no file');
  if (plain.length === 0) return pass(`${source} holds none in plain text`);
  return fail(
    `${source} holds in plain text: ${plain.join(', ')}`,
    '${VAR}, ${file:…}, or ${enc:…} as `nestjs-pg-mcp encrypt` makes it; and change what others have read',
  );
}
