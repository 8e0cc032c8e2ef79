/**
 * Goal: commands and workers find the platform that was meant: the config's, else the environment's; no default hides a variable.
 * Method: sections as the schema parses them, and environments, in memory.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addressesOf, isEmbedded, storeAddressOf } from '../../drivers/open';
import { runConfigSchema, type RunConfig } from '../../schemas/run-config';
import { temporalConnectionOptions } from '../../workers/connection';

const sectionOf = (platform: object): RunConfig['platform'] => runConfigSchema.shape.platform.parse(platform);

/** No file of profiles of whoever runs the test. */
const nobody = { TEMPORAL_CONFIG_FILE: '/nowhere/temporal.toml' };
const given = {
  ...nobody,
  TEMPORAL_ADDRESS: 'engine:7233',
  TEMPORAL_NAMESPACE: 'team',
  ARTE_S3_BUCKET: 'theirs',
  ARTE_S3_PREFIX: 'arte',
  AWS_REGION: 'eu-central-1',
};

it('is embedded where neither the config nor the environment names anything', () => {
  expect(isEmbedded(sectionOf({}), nobody)).toBe(true);
  expect(isEmbedded(sectionOf({}), given)).toBe(false);
  expect(isEmbedded(sectionOf({ store: { bucket: 'mine' } }), nobody)).toBe(false);
});

it("a config that says nothing leaves the environment's word, whatever its defaults are", () => {
  for (const platform of [undefined, sectionOf({})]) {
    expect(addressesOf(platform, given)).toEqual({
      temporal: { address: 'engine:7233', namespace: 'team', tls: false },
      store: { bucket: 'theirs', prefix: 'arte', region: 'eu-central-1', forcePathStyle: true },
    });
  }
});

it('a config that names a bucket goes first', () => {
  const named = sectionOf({ store: { bucket: 'mine', region: 'eu-west-1', force_path_style: false } });
  expect(storeAddressOf(named, given)).toEqual({
    ...{ bucket: 'mine', prefix: '', region: 'eu-west-1', forcePathStyle: false },
  });
  expect(storeAddressOf(sectionOf({ store: { bucket: 'mine' } }), given).region).toBe('eu-central-1');
  expect(storeAddressOf(sectionOf({ store: { bucket: 'mine' } }), nobody).region).toBe('us-east-1');
});

it("hands a client's certificate to the connection", () => {
  const pair = { TEMPORAL_TLS_CLIENT_CERT_DATA: 'certificate', TEMPORAL_TLS_CLIENT_KEY_DATA: 'key' };
  const { temporal } = addressesOf(sectionOf({}), { ...given, ...pair });
  const { tls } = temporalConnectionOptions(temporal);
  const { crt, key } = (tls === true ? undefined : tls?.clientCertPair) ?? { crt: '', key: '' };
  expect([String(Buffer.from(crt)), String(Buffer.from(key))]).toEqual(['certificate', 'key']);
  const plain = addressesOf(sectionOf({ temporal: { address: 'engine:7233', tls: true } }), given).temporal;
  expect(temporalConnectionOptions(plain)).toEqual({ address: 'engine:7233', tls: true });
});

it('takes the API key of a profile, and gives it to no address that a config names', () => {
  const folder = mkdtempSync(join(tmpdir(), 'arte-open-'));
  const file = join(folder, 'temporal.toml');
  writeFileSync(file, '[profile.default]\naddress = "cloud:7233"\nnamespace = "team"\napi_key = "of the profile"\n');
  const profile = { ARTE_S3_BUCKET: 'theirs', TEMPORAL_CONFIG_FILE: file };
  const keyOf = (platform: object, environment: NodeJS.ProcessEnv): string | undefined =>
    temporalConnectionOptions(addressesOf(sectionOf(platform), environment).temporal).apiKey;
  expect(addressesOf(sectionOf({}), profile).temporal).toMatchObject({ address: 'cloud:7233', tls: true });
  expect(keyOf({}, profile)).toBe('of the profile');
  expect(keyOf({}, { ...profile, TEMPORAL_API_KEY: 'of the variable' })).toBe('of the variable');
  expect(keyOf({ temporal: { address: 'engine:7233' } }, profile)).toBeUndefined();
  rmSync(folder, { recursive: true });
});

it('names what is missing of a platform of which half is given', () => {
  expect(() => addressesOf(sectionOf({ store: { bucket: 'mine' } }), nobody)).toThrow(/no address for Temporal/);
  expect(() => addressesOf(sectionOf({ temporal: { address: 'engine:7233' } }), nobody)).toThrow(/for the store/);
});
