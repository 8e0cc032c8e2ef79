/**
 * The house rules that a machine can check: types are used right, promises are awaited, and no import goes up a floor.
 * The import boundaries are the map of rooms in test/rooms.json. Layout is prettier's.
 */
import { readFileSync } from 'node:fs';
import { createNodeResolver, importX } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/** The map of rooms, which test/rooms.test.ts reads as well. */
const rooms = JSON.parse(readFileSync(new URL('./test/rooms.json', import.meta.url), 'utf8'));

/** A room may import what its line of the map names: whole rooms, or single files of one. */
const zones = Object.entries(rooms).flatMap(([room, { holds, mayImport }]) =>
  Object.keys(rooms)
    .filter((other) => other !== room && !mayImport.includes(other))
    .map((other) => {
      const files = mayImport
        .filter((path) => path.startsWith(`${other}/`))
        .map((path) => `./${path.slice(other.length + 1)}.ts`);
      return {
        target: `./${room}`,
        from: `./${other}`,
        ...(files.length === 0 ? {} : { except: files }),
        message: `${room}/ holds ${holds}. It may import ${mayImport.join(', ') || 'nothing of ours'}.`,
      };
    }),
);

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', '.arte/', 'coverage/', 'reports/', 'test/fixtures/**/*.{js,mjs,cjs}'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { 'import-x': importX },
    settings: { 'import-x/resolver-next': [createNodeResolver({ extensions: ['.ts', '.js', '.json'] })] },
    rules: {
      'import-x/no-restricted-paths': ['error', { basePath: import.meta.dirname, zones }],
      'import-x/no-duplicates': 'error',
      'import-x/no-self-import': 'error',
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'separate-type-imports', disallowTypeAnnotations: false },
      ],
      '@typescript-eslint/no-unused-vars': [
        'error',
        {
          args: 'all',
          argsIgnorePattern: '^_',
          varsIgnorePattern: '^_',
          destructuredArrayIgnorePattern: '^_',
          caughtErrors: 'all',
          caughtErrorsIgnorePattern: '^_',
        },
      ],
      // A number in a text is what it looks like; an object is not.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      eqeqeq: 'error',
      'no-console': 'error',
      'no-param-reassign': 'error',
    },
  },
  {
    // Workflow code runs in a sandbox that replays it: values come only from files that are free of zod and of I/O.
    files: ['workflows/**/*.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: '/activities/',
              allowTypeImports: true,
              message: 'workflows/ imports types of activities; it calls them through proxyActivities.',
            },
            {
              regex: '/schemas/(?!errors$|limits$|stage-names$|arms$|signals$|transfer$|messages$|notification$|json$)',
              allowTypeImports: true,
              message: 'Only zod-free schemas may be imported by value in workflow code.',
            },
            { regex: '^(node:|zod$)', message: 'Workflow code is deterministic: no Node API, no zod at run time.' },
          ],
        },
      ],
    },
  },
  {
    // Programs whose output is their console.
    files: ['bench/**/*.ts', 'workers/build-bundle.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // Tests reach into shapes that production code would check first.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/require-await': 'off',
      'no-console': 'off',
    },
  },
);
