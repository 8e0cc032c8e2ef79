/** Who is told when a run needs a person or has ended. */
import { z } from 'zod';
import { notifyTargetsMax } from '../limits';
import { notifyEvents, notifyEventsStanding } from '../notification';
import { headerReferencePattern } from '../secrets';

const notifyCommon = {
  on: z
    .array(z.enum(notifyEvents))
    .min(1)
    .default([...notifyEventsStanding])
    .describe(
      'What is told. parked: the run waits because something failed or a gate did. budget: it waits at its cap (parked has that, too). needs_approval: a round waits for a word. failed: the run has broken off. finished, cancelled: its end.',
    ),
  timeout_seconds: z.number().gt(0).max(60).default(10).describe('One attempt may take this long.'),
};

export const notifyTargetSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('webhook'),
    url: z
      .string()
      .min(1)
      .describe('Where the message is posted, as JSON. ${env:NAME} where the address itself is a secret.'),
    headers: z
      .record(
        z.string().regex(/^[A-Za-z0-9-]+$/, 'letters, digits and -'),
        z
          .string()
          .regex(
            headerReferencePattern,
            'a header is written ${env:NAME}, or a scheme and that, as in "Bearer ${env:NAME}"',
          ),
      )
      .default({})
      .describe('Further headers. Their values are secrets: ${env:NAME}, or a scheme and that: "Bearer ${env:NAME}".'),
    allow_http: z
      .boolean()
      .default(false)
      .describe('Post in plain text to another machine; without it http is for addresses of this machine.'),
    ...notifyCommon,
  }),
  z.strictObject({
    kind: z.literal('command'),
    command: z
      .array(z.string().min(1))
      .min(1)
      .describe(
        'Program and arguments, without a shell; the message is its stdin, as JSON. It runs where the io worker runs, with the environment of that.',
      ),
    ...notifyCommon,
  }),
]);

export type NotifyTargetConfig = z.infer<typeof notifyTargetSchema>;

export const notifySchema = z
  .array(notifyTargetSchema)
  .max(notifyTargetsMax)
  .default([])
  .describe(
    `Who is told when the run needs a person or has ended (docs/notify.md), at most ${notifyTargetsMax} targets; \`arte notify test CONFIG\` tries it. A message that cannot be delivered holds up nothing. Changes nothing that is made or reused.`,
  );
