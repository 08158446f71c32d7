/** What the parts of a talk share. */
import type { Author, Message, Room } from '@skywave/client';
import type { Radio } from '../../radio.ts';

/** See the file's head. */
export interface TalkContext {
  /** Session, chat and account. */
  readonly radio: Radio;
  /** The room or conversation. */
  readonly room: Room;
  /** Begins an answer. */
  reply(message: Message): void;
  /** Begins a change. */
  edit(message: Message): void;
  /** Goes to the conversation with somebody. */
  converse(user: Author): Promise<void>;
  /** Says what went wrong, or `told` when nothing did. */
  attempt(doing: Promise<unknown>, told?: string): Promise<void>;
}
