/** Where a run runs, what it may spend, and what the cards of its exports say. None of it changes what is made. */
import { z } from 'zod';
import { secret } from './values';

export const platformSchema = z
  .strictObject({
    temporal: z
      .strictObject({
        address: z.string().optional().describe('host:port. Left out: the embedded dev server, or TEMPORAL_ADDRESS.'),
        namespace: z.string().default('default').describe('Temporal namespace.'),
        api_key: secret.optional().describe('API key of Temporal Cloud.'),
        tls: z.boolean().default(false).describe('Whether the address speaks TLS.'),
      })
      .prefault({})
      .describe('The workflow engine.'),
    store: z
      .strictObject({
        endpoint: z
          .url({ protocol: /^https?$/ })
          .optional()
          .describe('S3 endpoint. Left out with no bucket: the embedded server.'),
        bucket: z.string().optional().describe('Bucket that holds everything of arte.'),
        prefix: z.string().default('').describe('Everything of arte lies under this prefix of the bucket.'),
        region: z
          .string()
          .optional()
          .describe('Region the requests are signed for. Left out: AWS_REGION, else us-east-1.'),
        force_path_style: z
          .boolean()
          .default(true)
          .describe('The bucket in the path, not in the host name; most S3 servers need it.'),
        access_key_id: secret.optional().describe("Left out: AWS's own default provider chain."),
        secret_access_key: secret.optional().describe("Left out: AWS's own default provider chain."),
      })
      .prefault({})
      .describe('The artifact store.'),
    currency: z.string().default('USD').describe('Of the prices; only printed.'),
  })
  .prefault({})
  .describe(
    'Where it runs. Nothing given: everything embedded, on this machine. Commands that name a run and no config (status, report, …) find a platform of your own by TEMPORAL_ADDRESS, ARTE_S3_BUCKET, AWS_ENDPOINT_URL_S3 and credentials in the environment (docs/environment.md).',
  );

export const budgetSchema = z
  .strictObject({
    cap: z
      .number()
      .min(0)
      .nullable()
      .default(null)
      .describe(
        'The run parks before a shard or training that could pass this amount, in platform.currency, by the prices of the models. `arte budget set` raises it. null: no cap.',
      ),
    ask_above: z
      .number()
      .min(0)
      .nullable()
      .default(null)
      .describe(
        'When the plan may cost more than this, in platform.currency, `arte run` asks before it starts; without a terminal it wants --yes. null: never.',
      ),
  })
  .prefault({})
  .describe('What the run may spend. No setting of it changes what is made, or what is reused.');

export const publishSchema = z
  .strictObject({
    language: z
      .array(z.string().min(2))
      .min(1)
      .default(['en'])
      .describe('ISO 639-1 codes of the languages written in.'),
    data_license: z
      .string()
      .min(1)
      .optional()
      .describe(
        "Licence of exported data sets, as the Hugging Face hub names it. Left out: unknown. The teacher's terms may decide it.",
      ),
  })
  .prefault({})
  .describe('What the cards of exported models and data sets say (`arte export`). Changes nothing that is made.');
