/** Who is in a room as far as it is known, how far they have read, and who writes. Pure. */
import { Receipts, type Delivery } from './receipts.ts';
import type { Author, Marks, Member } from '../wire/chat.ts';
import type { People } from './context.ts';

/** See the file's head. */
export class Roster {
  readonly #people: People;
  readonly #receipts = new Receipts();
  #members = new Map<string, Member>();
  #typing: readonly Author[] = [];

  /** @param people learns the names. */
  constructor(people: People) {
    this.#people = people;
  }

  /** Members as far as they are known. */
  get members(): readonly Member[] {
    return [...this.#members.values()];
  }

  /** Everybody who writes now. */
  get typing(): readonly Author[] {
    return this.#typing;
  }

  /** How far a member is. */
  marks(sub: string): Marks | undefined {
    return this.#receipts.get(sub);
  }

  /** How far a message of `me` has come. */
  delivery(seq: number, me: string): Delivery {
    return this.#receipts.delivery(seq, me);
  }

  /** Takes everybody there is. */
  handleMembers(members: readonly Member[]): void {
    this.#members = new Map(members.map((member) => [member.sub, member]));
    this.#receipts.handleMembers(members);
    for (const member of members) this.#people.meet(member);
  }

  /** Somebody came or changed; in conversations their marks count. */
  handleMember(member: Member, isConversation: boolean): void {
    this.#people.meet(member);
    this.#members.set(member.sub, member);
    if (!isConversation) return;
    this.#receipts.handle(new Map([[member.sub, member.marks ?? { delivered: 0, read: 0 }]]));
  }

  /** Somebody is no member any more. */
  handleLeft(sub: string): void {
    this.#members.delete(sub);
    this.#receipts.handleLeft(sub);
  }

  /** Takes some marks; `false` when they are known. */
  handleReceipts(marks: ReadonlyMap<string, Marks>): boolean {
    return this.#receipts.handle(marks);
  }

  /** Takes everybody who writes; `false` when nobody does, as before. */
  handleTyping(users: readonly Author[]): boolean {
    if (users.length === 0 && this.#typing.length === 0) return false;
    this.#typing = users;
    return true;
  }
}
