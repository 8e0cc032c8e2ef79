/** Jest runs TypeScript through swc; types are checked by `npm run typecheck`. */
module.exports = {
  testEnvironment: '<rootDir>/test/fixtures/one-context.cjs',
  runtime: '<rootDir>/test/fixtures/shared-packages.cjs',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  transform: { '^.+\\.(ts|js)$': ['@swc/jest', { jsc: { target: 'es2022', parser: { syntax: 'typescript' } } }] },
  // Published as ES modules only, or with import() in them, which Jest does not load as they are.
  transformIgnorePatterns: ['/node_modules/(?!hyparquet|@opentelemetry/otlp-exporter-base)'],
  resolver: '<rootDir>/test/fixtures/resolve-typescript.cjs',
  testTimeout: 60_000,
};
