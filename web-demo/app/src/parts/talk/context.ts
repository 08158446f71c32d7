/** What the parts of a talk share. */
import type { Author, Message, Outgoing, Room } from '@skywave/client';
import type { Radio } from '../../radio.ts';

/** The messages that a list shows: a room's, or a thread's. */
export interface MessageSource {
  /** Stored ones, oldest first. */
  readonly messages: readonly Message[];
  /** One's own on their way. */
  readonly outgoing: readonly Outgoing[];
  /** Whether there are older ones. */
  readonly more: boolean;
  /** Whether there are newer ones that are not shown. */
  readonly newer: boolean;
  /** Brings older ones. */
  loadOlder(): Promise<void>;
  /** Brings newer ones. */
  loadNewer(): Promise<void>;
  /** Shows the newest. */
  toEnd(): void;
}

/** See the file's head. */
export interface TalkContext {
  /** Session, chat and account. */
  readonly radio: Radio;
  /** The room or conversation. */
  readonly room: Room;
  /** What the list shows. */
  readonly source: MessageSource;
  /** The message whose thread this is; none for the room itself. */
  readonly thread?: number;
  /** Opens a message's thread; there is none within a thread. */
  readonly openThread?: (message: Message) => void;
  /** Shows a message that may be far back. */
  readonly jump: (seq: number) => void;
  /** Begins an answer. */
  readonly reply: (message: Message) => void;
  /** Begins a change. */
  readonly edit: (message: Message) => void;
  /** Goes to the conversation with somebody. */
  readonly converse: (user: Author) => Promise<void>;
  /** Says what went wrong, or `told` when nothing did. */
  readonly attempt: (doing: Promise<unknown>, told?: string) => Promise<void>;
}
