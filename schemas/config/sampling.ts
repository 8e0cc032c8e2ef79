/** What every stage that asks a model is told: how to sample, and which share of bad answers parks the run. */
import { z } from 'zod';
import { count, fraction, size } from './values';

/** Sampling settings are all sent with every call, so a server's own defaults never leak in. */
export function samplingSettings(defaults: { temperature: number; max_tokens: number }) {
  return {
    temperature: z.number().min(0).max(2).default(defaults.temperature).describe('0 = greedy.'),
    top_p: z.number().gt(0).max(1).default(1).describe('Paper: not stated; 1 = off.'),
    top_k: size.default(0).describe('0 = off. Small models need about 40 at temperature 1.'),
    min_p: z.number().min(0).lt(1).default(0).describe('0 = off. Small models need about 0.1 at temperature 1.'),
    max_tokens: count.default(defaults.max_tokens).describe('Paper: not stated.'),
    stop: z.array(z.string()).default([]).describe('Strings that end an answer, besides the closing answer tag.'),
  };
}

/** Shares of bad rows above which the run parks. @param unanswered The default for rows without an answer: malformed and truncated ones. */
export const thresholdsOf = (unanswered: number) =>
  z
    .strictObject({
      malformed: fraction.default(unanswered).describe('Park the run when a larger share of the rows stays malformed.'),
      truncated: fraction.default(unanswered).describe('The same for answers cut off by max_tokens.'),
      refused: fraction.default(0.5).describe('The same for answers the provider refused.'),
      failed: fraction.default(0.02).describe('The same for rows whose calls failed for good.'),
    })
    .prefault({})
    .describe(
      'Rows that end badly are kept and counted; above these shares the run parks instead of training on rubbish.',
    );

export const thresholdsSchema = thresholdsOf(0.6);
