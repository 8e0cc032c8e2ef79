/** Who types a command, as it is recorded beside what they did: the user of the system, and the machine. */
import { hostname, userInfo } from 'node:os';

/** `USER@MACHINE`. A user id without a name (a container's) is told by its number. */
export function whoActs(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    return `${String(process.getuid?.() ?? '')}@${hostname()}`;
  }
}
