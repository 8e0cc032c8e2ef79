/**
 * The name under which this command line was called. All texts of arte, stored ones too, say `arte COMMAND`; who typed `npx arte` or an npm script
 * may have no `arte` in PATH, so what is printed for a person says what that person can type. JSON stays as it is.
 */

/** Every command there is, in the order in which the help lists them: a first look, a config of one's own, runs, what came of them, the platform. */
export const commandNames = [
  'smoke',
  'quickstart',
  'init',
  'validate',
  'plan',
  'preview',
  'families',
  'schema',
  'run',
  'status',
  'watch',
  'ui',
  'pause',
  'resume',
  'approve',
  'reject',
  'cancel',
  'retry',
  'clone',
  'concurrency',
  'budget',
  'notify',
  'students',
  'schedule',
  'report',
  'export',
  'mlflow',
  'edge',
  'trace',
  'diff',
  'gc',
  'up',
  'down',
  'doctor',
  'selftest',
  'setup',
  'worker',
] as const;
export type CommandName = (typeof commandNames)[number];

const aCommand = new RegExp(`(?<![\\w./-])(?<!npx )arte (?=(?:${commandNames.join('|')})\\b)`, 'g');
/** npx, and npm's own scripts, leave the script that they run in the environment; that of something else than arte does not count. */
const ourScript = /(^|[\s"'/])arte(["'\s]|$)|dist\/cli\/main\.js/;

/** A text with its commands as they can be typed here. */
export function asTyped(text: string, { npm_lifecycle_script: script }: NodeJS.ProcessEnv = process.env): string {
  return script !== undefined && ourScript.test(script) ? text.replace(aCommand, 'npx arte ') : text;
}
