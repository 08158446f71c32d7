/** What one is oneself in a room, which pushes to all do not say. Pure. */
import type { Json } from '../wire/json.ts';
import type { Role, RoomInfo } from '../wire/chat.ts';

/** Whether it was read already. */
export function isParsed(json: Json | RoomInfo | undefined): json is RoomInfo {
  return typeof json === 'object' && json !== null && 'lastMessage' in json;
}

/** What one may do, as a member or by one's token, whichever is more. */
export function rankIn(info: RoomInfo | undefined): Role | undefined {
  const roles = [info?.mine?.role, info?.elevated];
  return (['owner', 'moderator', 'member'] as const).find((role) => roles.includes(role));
}

/** The room as all are told it, with one's own place as it was known. */
export function withOwnPlace(told: RoomInfo, known: RoomInfo | undefined): RoomInfo {
  const { mine = known?.mine, elevated = known?.elevated } = told;
  return {
    ...told,
    ...(mine === undefined ? {} : { mine }),
    ...(elevated === undefined ? {} : { elevated }),
  };
}

/** The room for who is no member any more. */
export function withoutMembership(info: RoomInfo): RoomInfo {
  const left: { -readonly [Key in keyof RoomInfo]: RoomInfo[Key] } = { ...info };
  delete left.mine;
  return left;
}

/** The room for who has become or is of another role now. */
export function withRole(info: RoomInfo, role: Role): RoomInfo {
  const blank = { delivered: 0, read: 0, unread: 0 };
  return { ...info, mine: { ...blank, ...info.mine, role } };
}
