/**
 * Money: what work costs by the prices of the config, what it may cost at most before it is done, and the ledger in
 * which a run reserves the one and settles the other. Pure; the ledger's document is activities/budget.ts, usage is recorded by the row
 * engine and the trainer.
 *
 * Invariants of a ledger, whatever the order of its events (test/method/ledger.test.ts):
 * 1. What was settled once stays spent: no later word about the same work makes it less.
 * 2. What is reserved is what open work has reserved, no more: when all of it is settled, nothing is.
 * 3. A reservation is granted only if spent + reserved stays within the cap. Only usage beyond its reservation can pass it.
 * 4. Each event says the state of its work, not a difference: an event that is repeated, late, or overtaken by another changes nothing.
 * 5. An attempt that another one has followed, and that does not know it, reserves nothing and closes nothing of the other.
 */
import { asksTeacher } from '../schemas/arms';
import type { Ledger, LedgerEntry } from '../schemas/ledger';
import type { StageUsage } from '../schemas/manifest';
import type { AnswerChoice, ModelAnswer, ModelRequest, Usage } from '../schemas/rows';
import type { ModelConfig } from '../schemas/config/models';
import type { RunConfig } from '../schemas/run-config';
import { signalLabel, signalsOf, type SignalName } from '../schemas/signals';
import { respondentOfArm, type StageName } from '../schemas/stage-names';
import { readTransferLabel, studentOfTarget } from '../schemas/transfer';
import { textScorer, type AskedModel } from './served';
import { signals } from './signals';

type Price = ModelConfig['price'];

const perMillion = 1_000_000;
const secondsPerHour = 3_600;

/** Fewer bytes than this in a token are rare: English has four or five, other scripts three and more in UTF-8. */
const bytesPerTokenMin = 3;
/** What a chat template puts around a message, in tokens: role, markers, line breaks. */
const frameTokensOfMessage = 8;
/** The token that ends an answer: many servers count it. */
const endTokens = 1;

// ---- prices ------------------------------------------------------------------------------------------------------

/** Which model of the config a stage asks or trains. Respondents answer in evaluate, under arms of their own. */
const roleOf: Partial<Record<StageName, 'teacher' | 'student'>> = {
  'sample-questions': 'teacher',
  'sample-rationales': 'teacher',
  'score-drafts': 'student',
  'score-sample': 'student',
  'warm-up': 'teacher',
  'train-dpo': 'teacher',
  'tailor-questions': 'teacher',
  'tailor-rationales': 'teacher',
  'train-sft': 'student',
  evaluate: 'student',
};

/** What a model is in a config. other: one of transfer.students. */
export type ModelRole = 'teacher' | 'student' | 'respondent' | 'other';

/** The model that a stage asks or trains, as it is asked, and its role in the config; undefined where there is none. */
export function askedModelOf(
  config: RunConfig,
  stage: StageName,
  arm: string,
): { readonly role: ModelRole; readonly model: AskedModel } | undefined {
  const role = stage === 'evaluate' && asksTeacher(arm) ? 'teacher' : roleOf[stage];
  if (role === undefined) return undefined;
  const transfer = readTransferLabel(arm);
  const other =
    transfer && role === 'student' ? config.transfer.students[studentOfTarget(transfer.to) ?? -1] : undefined;
  if (other) return { role: 'other', model: other };
  const signal = stage === 'score-drafts' && scoredSignal(config, arm);
  if (signal && signals[signal].asks === 'text') return { role, model: textScorer(config) };
  const respondent = config.probe.respondents[respondentOfArm(arm) ?? -1];
  return respondent ? { role: 'respondent', model: respondent } : { role, model: config.models[role] };
}

/** The prices of the model that a stage asks or trains; undefined where there is none. */
export function priceOf(config: RunConfig, stage: StageName, arm: string): Price | undefined {
  return askedModelOf(config, stage, arm)?.model.price;
}

/** The signal of a score-drafts stage: its arm, where a config has several. */
function scoredSignal({ score }: RunConfig, arm: string): SignalName | undefined {
  const asked = signalsOf(score);
  return asked.find((name) => signalLabel(name, asked) === arm);
}

/** Whether anything costs anything: without a price there is no account to keep. */
export function hasPrices({ models, probe, transfer }: RunConfig): boolean {
  return [models.teacher, models.student, ...probe.respondents, ...transfer.students].some(({ price }) =>
    Object.values(price).some((amount) => amount > 0),
  );
}

const trainings: readonly StageName[] = ['warm-up', 'train-dpo', 'train-sft'];

/** Cost of a stage in platform.currency, by recorded usage. `trainingSeconds` counts for the training stages only. */
export function costOf(
  { stage, arm }: { readonly stage: StageName; readonly arm: string },
  usage: StageUsage,
  trainingSeconds: number,
  config: RunConfig,
): number {
  const price = priceOf(config, stage, arm);
  if (!price) return 0;
  const training = trainings.includes(stage) ? trainingCost(trainingSeconds, price) : 0;
  return costOfCalls(usage, price) + training;
}

/** Cached input tokens are part of inputTokens and priced apart. */
export function costOfCalls(
  usage: Pick<StageUsage, 'inputTokens' | 'cachedInputTokens' | 'outputTokens'>,
  price: Price,
): number {
  return (
    ((usage.inputTokens - usage.cachedInputTokens) * price.input +
      usage.cachedInputTokens * price.cached_input +
      usage.outputTokens * price.output) /
    perMillion
  );
}

/** What calls that were lost can have cost beside that, at most: their prompts, and answers of max_tokens. */
export function costOfLostCalls(
  {
    lostInputTokens,
    lostOutputTokens = 0,
  }: Pick<StageUsage, 'lostInputTokens'> & { readonly lostOutputTokens?: number },
  price: Price,
): number {
  return (lostInputTokens * price.input + lostOutputTokens * price.output) / perMillion;
}

export function trainingCost(seconds: number, price: Price): number {
  return (seconds / secondsPerHour) * price.training_hour;
}

// ---- what a call may take ----------------------------------------------------------------------------------------

/** Tokens of what a request has the server read, estimated high: no tokenizer is at hand where calls are admitted. A given text is read too. */
export function promptTokensMax({ prompt, given }: Pick<ModelRequest, 'prompt' | 'given'>): number {
  const texts = prompt.kind === 'completion' ? [prompt.text] : prompt.messages.map(({ content }) => content);
  if (given) texts.push(given.lead + given.text);
  return texts.reduce(
    (tokens, text) => tokens + Math.ceil(Buffer.byteLength(text) / bytesPerTokenMin) + frameTokensOfMessage,
    0,
  );
}

/** What a call takes at most when it is asked once: nothing of its prompt cached, every answer that is asked for up to max_tokens. */
export function usageOfCallMax(request: ModelRequest): Usage {
  return {
    inputTokens: promptTokensMax(request),
    cachedInputTokens: 0,
    outputTokens: request.sampling.maxTokens * (request.answers ?? 1),
  };
}

/**
 * What an answered call took, where its server told not all of it: the counts it did give, and for the others estimates on the high side, from the
 * texts. Of an answer never more than max_tokens, and all of them where it was cut off there; of thinking that a server keeps to itself nothing is known.
 */
export function usageOfUntold(
  request: ModelRequest,
  { usage, usageUntold = [], ...first }: Pick<ModelAnswer, 'text' | 'finish' | 'others' | 'usage' | 'usageUntold'>,
): Usage {
  const { maxTokens } = request.sampling;
  const written = ({ text, finish }: AnswerChoice): number =>
    finish === 'length'
      ? maxTokens
      : Math.min(maxTokens, Math.ceil(Buffer.byteLength(text) / bytesPerTokenMin) + endTokens);
  const choices = [first, ...(first.others ?? [])];
  return {
    inputTokens: usageUntold.includes('input') ? promptTokensMax(request) : usage.inputTokens,
    cachedInputTokens: usage.cachedInputTokens,
    outputTokens: usageUntold.includes('output')
      ? choices.reduce((tokens, choice) => tokens + written(choice), 0)
      : usage.outputTokens,
  };
}

// ---- the ledger --------------------------------------------------------------------------------------------------

/** The ledger of a run that has done nothing yet. */
export function emptyLedger(cap: number | null): Ledger {
  return { schemaVersion: 1, cap, settled: {}, open: {} };
}

export interface LedgerTotals {
  readonly spent: number;
  readonly reserved: number;
}

export function ledgerTotals({ settled, open }: Ledger): LedgerTotals {
  const entries = Object.values(open);
  return {
    spent: sum(Object.values(settled)) + sum(entries.map(({ spent }) => spent)),
    reserved: sum(entries.map(({ reserved }) => reserved)),
  };
}

/** One attempt at a piece of work: a shard, or a training. */
export interface LedgerWork {
  readonly key: string;
  readonly stage: StageName;
  /** Sorts after those of the attempts before it: that is how one that was followed is known. */
  readonly attempt: string;
}

export interface Reservation {
  readonly ledger: Ledger;
  /**
   * granted: the work may start. reserved: it does not fit beside what other work has reserved, which may turn out to need less.
   * exhausted: it does not fit at all.
   */
  readonly outcome: 'granted' | 'reserved' | 'exhausted';
}

/**
 * Ask for the money that a piece of work may still take. `total` is what stands in it already, whoever paid: the first time it is taken for
 * others' (found in the store), later on what has been added is ours. Work with nothing left to ask is always let in: it only has to be put away.
 * So is an attempt that was followed, without a reservation: its lease is lost, and that ends it.
 */
export function reserve(ledger: Ledger, work: LedgerWork, total: number, ceiling: number): Reservation {
  const before = ledger.open[work.key];
  if (before && work.attempt < before.attempt) return { ledger: settle(ledger, work, total), outcome: 'granted' };
  const found = before?.found ?? total;
  const entry: LedgerEntry = {
    stage: work.stage,
    attempt: work.attempt,
    found,
    spent: Math.max(before?.spent ?? 0, total - found),
    reserved: 0,
  };
  const { spent, reserved } = ledgerTotals(withEntry(ledger, work.key, entry));
  const { cap } = ledger;
  if (ceiling === 0 || cap === null || spent + reserved + ceiling <= cap) {
    return { ledger: withEntry(ledger, work.key, { ...entry, reserved: ceiling }), outcome: 'granted' };
  }
  // What a refused piece of work has cost so far is remembered; of one that never started nothing is.
  const refused = before ? withEntry(ledger, work.key, entry) : ledger;
  const needs = spent + ceiling;
  return needs <= cap
    ? { ledger: refused, outcome: 'reserved' }
    : { ledger: { ...refused, needs }, outcome: 'exhausted' };
}

/** An attempt has ended: `total` stands in the work now, and nothing of it is reserved but what an attempt after this one has. */
export function settle(ledger: Ledger, work: LedgerWork, total: number): Ledger {
  const entry = ledger.open[work.key];
  if (!entry) return ledger;
  const reserved = work.attempt < entry.attempt ? entry.reserved : 0;
  return withEntry(ledger, work.key, { ...entry, spent: Math.max(entry.spent, total - entry.found), reserved });
}

/**
 * The work is whole and will not be asked for again: what it cost goes into its stage's sum. Where a later attempt has it in hand that one will
 * say so. An attempt that has reserved nothing may: it found what another one had made, and died over.
 */
export function close(ledger: Ledger, work: LedgerWork, total: number): Ledger {
  const settled = settle(ledger, work, total);
  const entry = settled.open[work.key];
  return !entry || work.attempt < entry.attempt ? settled : putAway(settled, [work.key]);
}

/** Nothing of the run is under way: what killed attempts had reserved is free, and whoever comes next takes their work over. */
export function releaseAll(ledger: Ledger): Ledger {
  const entries = Object.entries(ledger.open);
  if (!entries.some(([, { reserved }]) => reserved > 0)) return ledger;
  return { ...ledger, open: Object.fromEntries(entries.map(([key, entry]) => [key, released(entry)])) };
}

// ---- trainings ---------------------------------------------------------------------------------------------------

/*
 * What stands in a shard is the sum over its attempts; a training's attempts each count their own time from nothing. So each has an entry of its
 * own: no attempt can take another's seconds for its own, or not see them beside its own.
 */

/** An attempt at a training begins, with the money for its first minutes. Attempts before it keep what they have said and reserve nothing more. */
export function beginTraining(ledger: Ledger, work: LedgerWork, ceiling: number): Reservation {
  const earlier = new Set(attemptsBefore(ledger, work));
  const open = Object.entries(ledger.open).map(([key, entry]): [string, LedgerEntry] => [
    key,
    earlier.has(key) ? released(entry) : entry,
  ]);
  const alone = earlier.size === 0 ? ledger : { ...ledger, open: Object.fromEntries(open) };
  return reserve(alone, ofAttempt(work), 0, isFollowed(ledger, work) ? 0 : ceiling);
}

/**
 * A training has cost so much by now, and asks for the money until its next word. Of one that was followed its cost is taken while the training is
 * open; afterwards its entry is not opened again.
 */
export function meterTraining(ledger: Ledger, work: LedgerWork, cost: number, ahead: number): Reservation {
  const own = ofAttempt(work);
  if (!ledger.open[own.key]) return { ledger, outcome: 'granted' };
  if (isFollowed(ledger, work)) return { ledger: settle(ledger, own, cost), outcome: 'granted' };
  return reserve(ledger, own, cost, ahead);
}

/** An attempt at a training has ended, or has found it made: it is put away, and with it the attempts that it followed. */
export function closeTraining(ledger: Ledger, work: LedgerWork, cost: number): Ledger {
  const own = ofAttempt(work);
  const said = settle(ledger, own, cost);
  const others = isFollowed(ledger, work) ? [] : attemptsBefore(ledger, work);
  return putAway(said, [...others, ...(said.open[own.key] ? [own.key] : [])]);
}

function ofAttempt(work: LedgerWork): LedgerWork {
  return { ...work, key: `${work.key}/${work.attempt}` };
}

/** Entries of the same training. Under the bare key: of a version of this code that had one entry for all attempts. */
function attemptsOf({ open }: Ledger, { key }: LedgerWork): string[] {
  return Object.keys(open).filter((each) => each === key || each.startsWith(`${key}/`));
}

function attemptsBefore(ledger: Ledger, work: LedgerWork): string[] {
  return attemptsOf(ledger, work).filter((key) => (ledger.open[key]?.attempt ?? '') < work.attempt);
}

function isFollowed(ledger: Ledger, work: LedgerWork): boolean {
  return attemptsOf(ledger, work).some((key) => (ledger.open[key]?.attempt ?? '') > work.attempt);
}

/** Into the sums of their stages. */
function putAway(ledger: Ledger, keys: readonly string[]): Ledger {
  if (keys.length === 0) return ledger;
  const away = new Set(keys);
  const settled = { ...ledger.settled };
  for (const key of away) {
    const entry = ledger.open[key];
    if (entry) settled[entry.stage] = (settled[entry.stage] ?? 0) + entry.spent;
  }
  return {
    ...ledger,
    settled,
    open: Object.fromEntries(Object.entries(ledger.open).filter(([key]) => !away.has(key))),
  };
}

/** Nobody's: no attempt sorts before the empty one. */
function released(entry: LedgerEntry): LedgerEntry {
  return { ...entry, attempt: '', reserved: 0 };
}

function withEntry(ledger: Ledger, key: string, entry: LedgerEntry): Ledger {
  return { ...ledger, open: { ...ledger.open, [key]: entry } };
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}
