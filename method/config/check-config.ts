/**
 * Judges a config: values in, problems out. Every problem says where, what, why and what to write instead.
 *
 * Owns the order, and what is reported. The shape in words is explain-shape.ts, secrets written out are written-secrets.ts, what needs more than one
 * setting to be seen is in the files *-findings.ts; files, line numbers and printing belong to cli/config/load-config.ts.
 *
 * Invariants: all problems at once, none twice; a problem that only follows from another one is not reported (a value of
 * the wrong shape is replaced by a harmless one while the rest is judged, and nothing that touches it is judged);
 * a text that may be a secret is never repeated.
 */
import { type RunConfig, runConfigSchema } from '../../schemas/run-config';
import { configProblem, type ConfigProblem } from './config-problem';
import { explainShape, type ShapeIssue } from './explain-shape';
import type { JudgeOptions } from './finding';
import {
  alignFindings,
  armFindings,
  filterFindings,
  lengthGateFindings,
  pairFindings,
  roundFindings,
} from './loop-findings';
import {
  answersFindings,
  capabilityFindings,
  lengthFindings,
  modelFindings,
  omittedNotes,
  otherStudentFindings,
  hostedNotes,
  staticNotes,
} from './model-findings';
import { capFindings, environmentFindings, notifyFindings, platformFindings } from './platform-findings';
import { promptFindings } from './prompt-findings';
import { agreementFindings, heldOutFindings, racingNotes, signalFindings } from './score-findings';
import { withReplacements } from './stopgaps';
import { probeFindings, promotionFindings, taskFindings, unseenTaskFindings } from './task-findings';
import { writtenSecrets } from './written-secrets';

export interface Judgement {
  /** The config with its defaults, when its shape is right. It may still have problems of other kinds. */
  readonly config?: RunConfig;
  readonly problems: readonly ConfigProblem[];
  /** Worth knowing, but no reason to stop. */
  readonly notes: readonly string[];
}

/** Judge a parsed YAML document. Pure: what is on disk is judged by the caller, with judgeTask. */
export function judgeConfig(input: unknown, options: JudgeOptions): Judgement {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    const empty = input === null || input === undefined;
    const problem = configProblem([], {
      what: empty ? 'The file is empty.' : 'The file is not a set of settings.',
      why: 'A config is a YAML mapping of settings that begins with "version: 1".',
      instead: 'Start from one that works: `arte init TASKFILE`, or a file in examples/.',
    });
    return { problems: [problem], notes: [] };
  }
  const secrets = writtenSecrets(input);
  const secretPaths = new Set(secrets.map(({ path }) => path));
  const parsed = runConfigSchema.safeParse(input);
  const issues: readonly ShapeIssue[] = parsed.success ? [] : parsed.error.issues;
  const shape = explainShape(input, issues).filter(({ path }) => !secretPaths.has(path));
  const judged = parsed.success ? { config: parsed.data, replaced: [] } : withReplacements(input, issues);
  const findings =
    judged === undefined ? { problems: [], notes: [] } : crossFieldFindings(judged.config, options, judged.replaced);
  return {
    ...(parsed.success ? { config: parsed.data } : {}),
    problems: [...secrets, ...shape, ...findings.problems],
    notes: findings.notes,
  };
}

function crossFieldFindings(
  config: RunConfig,
  options: JudgeOptions,
  replaced: readonly string[],
): { problems: ConfigProblem[]; notes: string[] } {
  const environment = environmentFindings(config, options);
  const findings = [
    ...taskFindings(config, options),
    ...promptFindings(config),
    ...modelFindings(config),
    ...capabilityFindings(config),
    ...answersFindings(config),
    ...signalFindings(config),
    ...armFindings(config),
    ...filterFindings(config),
    ...alignFindings(config),
    ...heldOutFindings(config),
    ...agreementFindings(config),
    ...lengthGateFindings(config),
    ...probeFindings(config),
    ...pairFindings(config),
    ...lengthFindings(config),
    ...roundFindings(config),
    ...capFindings(config),
    ...promotionFindings(config),
    ...otherStudentFindings(config),
    ...unseenTaskFindings(config),
    ...notifyFindings(config),
    ...platformFindings(config),
    ...environment.findings,
  ];
  const touches = (a: string, b: string): boolean =>
    a === b || a.startsWith(`${b}.`) || a.startsWith(`${b}[`) || b.startsWith(`${a}.`) || b.startsWith(`${a}[`);
  const problems = findings
    .filter(({ concerns }) => !concerns.some((concern) => replaced.some((place) => touches(concern, place))))
    .map(({ concerns: _, ...problem }) => problem);
  const notes = [
    ...hostedNotes(config),
    ...staticNotes(config),
    ...omittedNotes(config),
    ...racingNotes(config),
    ...environment.notes,
  ];
  return { problems, notes };
}
