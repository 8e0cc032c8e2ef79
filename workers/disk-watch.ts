/**
 * Notices that a disk which was full has room again. SeaweedFS keeps its names in several databases, and one that could not write its log refuses every
 * write from then on, room or not, until it is opened anew: some keys would fail for ever and others not.
 */
import { diskFullBytes, diskRoomBytes } from '../schemas/limits';

export class DiskWatch {
  private wasFull = false;

  /** @param freeBytes Of the disk, for us; a look that fails says nothing. */
  constructor(private readonly freeBytes: () => Promise<number>) {}

  /** Whether there is room now and was none at an earlier look; true once for each time. */
  async hasRoomAgain(): Promise<boolean> {
    const free = await this.freeBytes().catch(() => undefined);
    if (free === undefined) return false;
    if (free < diskFullBytes) this.wasFull = true;
    if (!this.wasFull || free < diskRoomBytes) return false;
    this.wasFull = false;
    return true;
  }
}
