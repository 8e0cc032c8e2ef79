/** The JSON Schema of a config: for editors, for docs/config.md, and for what is said of a mistake. */
import { z } from 'zod';
import { runConfigSchema } from './run-config';

/** A node of a JSON Schema as zod emits it: what editors and the explanations of method/config/check-config.ts read. */
export interface JsonSchemaNode {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: { readonly [name: string]: JsonSchemaNode };
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchemaNode;
  readonly propertyNames?: JsonSchemaNode;
  readonly items?: JsonSchemaNode;
  readonly oneOf?: readonly JsonSchemaNode[];
  readonly anyOf?: readonly JsonSchemaNode[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly minItems?: number;
  readonly minLength?: number;
  readonly pattern?: string;
  readonly format?: string;
}

let emitted: JsonSchemaNode | undefined;

/** JSON Schema (draft 2020-12) of what a user writes: settings with a default are optional. */
export function runConfigJsonSchema(): JsonSchemaNode {
  emitted ??= z.toJSONSchema(runConfigSchema, {
    io: 'input',
    override: ({ jsonSchema }) => {
      // The bounds of a double's integers are zod's, not the user's business.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    },
  }) as JsonSchemaNode;
  return emitted;
}
