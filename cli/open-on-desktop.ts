/** Opens a file with the program that the desktop has for it, where there is a desktop. */
import { spawn } from 'node:child_process';

/** The program that opens files here; undefined without a desktop, and over SSH, where it would open on somebody else's screen. */
export function desktopOpener(
  platform: NodeJS.Platform = process.platform,
  env: NodeJS.ProcessEnv = process.env,
): 'open' | 'xdg-open' | undefined {
  if (env['SSH_CONNECTION'] !== undefined) return undefined;
  if (platform === 'darwin') return 'open';
  const hasDisplay = [env['DISPLAY'], env['WAYLAND_DISPLAY']].some((name) => name !== undefined && name !== '');
  return platform === 'linux' && hasDisplay ? 'xdg-open' : undefined;
}

/** Open it; the program outlives this one. Resolves with whether it was started: one that is not installed is no failure of ours. */
export async function openOnDesktop(path: string, opener = desktopOpener()): Promise<boolean> {
  if (opener === undefined) return false;
  return new Promise((resolve) => {
    const child = spawn(opener, [path], { detached: true, shell: false, stdio: 'ignore' });
    child.once('spawn', () => {
      child.unref();
      resolve(true);
    });
    child.once('error', () => resolve(false));
  });
}
