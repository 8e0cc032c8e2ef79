/** Kinds of values that settings are made of. */
import { z } from 'zod';
import { secretReferencePattern } from '../secrets';

export const rate = z.number().gt(0);
export const fraction = z.number().min(0).max(1);
export const count = z.number().int().positive();
/** A count that may be none. */
export const size = z.number().int().nonnegative();

/** Its name in the environment, never itself. */
export const secret = z
  .string()
  .regex(secretReferencePattern, 'a secret is written ${env:NAME} and read from the environment, never written out');
