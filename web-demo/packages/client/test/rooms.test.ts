import { describe, expect, test } from 'vitest';
import { message, room, scripted } from './chat-session.ts';
import { settle } from './virtual-time.ts';
import type { JsonObject } from '../src/wire/json.ts';
import type { Message } from '../src/wire/chat.ts';

const ROOM = 'room:r1';

function seqs(messages: readonly Message[]): number[] {
  return messages.map(({ seq }) => seq);
}

/** A relay with messages 1 to `count`, of which 100 may be asked for at once. */
function history(count: number, thread?: (seq: number) => number | undefined) {
  return (params: JsonObject): JsonObject => {
    const {
      before = count + 1,
      after,
      limit = 50,
      thread: wanted,
    } = params as Record<string, number>;
    const all = Array.from({ length: count }, (_, at) => {
      const head = thread?.(at + 1);
      return message(at + 1, 'ann', `${at + 1}`, head === undefined ? {} : { thread: head });
    });
    const asked = all.filter((told) => wanted === undefined || thread?.(told.seq) === wanted);
    if (after !== undefined) {
      const newer = asked.filter(({ seq }) => seq > after);
      return { messages: newer.slice(0, limit), more: newer.length > limit };
    }
    const older = asked.filter(({ seq }) => seq < before);
    return { messages: older.slice(-limit), more: older.length > limit };
  };
}

function opened(count: number, shown: number) {
  const { chat, session, time } = scripted();
  session.connect('ann');
  session.answers.set('history', history(count));
  const open = chat.open(ROOM);
  const messages = Array.from({ length: shown }, (_, at) =>
    message(count - shown + 1 + at, 'ann', 'x'),
  );
  session.state(ROOM, { room: room(ROOM, 'public'), messages, more: shown < count });
  return { chat, session, time, open };
}

describe('reading back', () => {
  test('a jump shows the neighbourhood, and reading on leads back to the end', async () => {
    const { open, session } = opened(500, 20);
    expect(await open.jumpTo(100)).toBe(true);
    expect([open.messages[0]?.seq, open.messages.at(-1)?.seq]).toEqual([71, 130]);
    expect([open.more, open.newer]).toEqual([true, true]);
    // What is said meanwhile is not shown in the past, and not lost either.
    session.push(ROOM, 'message', message(501, 'bob', 'news'), 501);
    expect(open.messages.at(-1)?.seq).toBe(130);
    await open.loadOlder();
    expect(open.messages[0]?.seq).toBe(21);
    session.answers.set('history', history(501));
    for (let pages = 0; open.newer && pages < 20; pages++) await open.loadNewer();
    expect(seqs(open.messages)).toEqual(Array.from({ length: 481 }, (_, at) => at + 21));
  });

  test('a jump to what is known, to the end, and to nowhere', async () => {
    const { open, session } = opened(500, 20);
    expect(await open.jumpTo(490)).toBe(true);
    expect(session.sent('history')).toEqual([]);
    await open.jumpTo(3);
    expect(open.messages[0]?.seq).toBe(1);
    expect(open.more).toBe(false);
    open.toEnd();
    expect([open.newer, open.messages.at(-1)?.seq]).toEqual([false, 500]);
    expect(await open.jumpTo(1_000)).toBe(false);
    expect(open.newer).toBe(false);
  });

  test('a jump right before the end is joined to it', async () => {
    const { open } = opened(60, 20);
    await open.jumpTo(30);
    expect(open.newer).toBe(false);
    expect(seqs(open.messages)).toEqual(Array.from({ length: 60 }, (_, at) => at + 1));
  });

  test('changes reach messages of the past, too', async () => {
    const { open, session } = opened(500, 20);
    await open.jumpTo(100);
    session.push(ROOM, 'deleted', { seq: 100, version: 2, by: 'ann', at: 1 }, 501);
    expect(open.get(100)?.content).toBeUndefined();
  });
});

test('a thread has its answers, in pages and as they come', async () => {
  const { open, session, chat } = opened(200, 20);
  session.answers.set(
    'history',
    history(200, (seq) => (seq > 100 && seq % 2 === 0 ? 7 : undefined)),
  );
  let changes = 0;
  const thread = open.thread(7, () => changes++);
  await settle();
  expect([thread.ready, thread.messages[0]?.seq, thread.messages.length]).toEqual([true, 7, 51]);
  session.push(ROOM, 'message', message(201, 'bob', 'yes', { thread: 7 }), 201);
  session.push(ROOM, 'message', message(202, 'bob', 'elsewhere'), 202);
  expect(thread.messages.at(-1)?.seq).toBe(201);
  session.answers.set('send', () => new Promise(() => undefined));
  open.say('mine', { thread: 7 });
  open.say('not in it');
  expect(thread.outgoing.map(({ thread: head }) => head)).toEqual([7]);
  const before = changes;
  thread.close();
  session.push(ROOM, 'message', message(203, 'bob', 'late', { thread: 7 }), 203);
  expect(changes).toBe(before);
  chat.close();
});

describe('a room', () => {
  test('knows what one may do, as a member or by token', () => {
    const { open, session } = opened(1, 1);
    expect([open.rank, open.moderates]).toEqual([undefined, false]);
    const state = (more: JsonObject) => {
      session.state(ROOM, { room: room(ROOM, 'station', more), messages: [], more: false });
    };
    state({ elevated: 'moderator' });
    expect([open.rank, open.moderates]).toEqual(['moderator', true]);
    // What all are told says nothing of it.
    session.push(ROOM, 'room_updated', room(ROOM, 'station', { version: 2, name: 'New' }), 2);
    expect([open.info?.name, open.rank]).toEqual(['New', 'moderator']);
    const mine = { role: 'owner', delivered: 0, read: 0, unread: 0 };
    state({ elevated: 'moderator', mine });
    expect(open.rank).toBe('owner');
    session.push(ROOM, 'member_left', { channel: ROOM, user: 'ann' }, 3);
    expect(open.rank).toBe('moderator');
  });

  test('that is deleted is refused from then on', () => {
    const { open, session } = opened(1, 1);
    session.push(ROOM, 'room_deleted', { channel: ROOM });
    expect([open.phase, open.error?.code]).toEqual(['refused', 'unknown_room']);
  });

  test('one is invited to opens once one joins', async () => {
    const { open, session } = opened(1, 1);
    session.refuse(ROOM, 'unknown_room');
    expect(open.phase).toBe('refused');
    session.answers.set('join_room', () => ({ room: room(ROOM, 'private') }));
    await open.join();
    expect([open.phase, session.follows(ROOM)]).toEqual(['loading', true]);
  });

  test('tells what a message said before', async () => {
    const { open, session } = opened(1, 1);
    session.answers.set('versions', () => ({
      versions: [
        { version: 2, content: { type: 'text', text: 'two' }, by: 'ann', at: 2_000_000 },
        { version: 1, by: 'ann', at: 1_000_000 },
      ],
      more: false,
    }));
    const { versions, more } = await open.versions(1);
    expect(versions).toEqual([
      { version: 2, content: { type: 'text', text: 'two' }, by: 'ann', at: 2_000 },
      { version: 1, by: 'ann', at: 1_000 },
    ]);
    expect(more).toBe(false);
    expect(session.sent('versions')).toEqual([{ channel: ROOM, seq: 1 }]);
  });
});

test('moderators read reports, sanctions and the log page by page', async () => {
  const { chat, session } = scripted();
  session.connect('ann');
  const told = { by: 'bob', reason: 'rude', at: 5_000_000 };
  const report = { id: 4, channel: ROOM, seq: 9, author: 'eve', text: 'boo', ...told };
  session.answers.set('reports', () => ({ reports: [report] }));
  expect(await chat.moderation.reports(ROOM, 5)).toEqual([{ ...report, at: 5_000 }]);
  expect(session.sent('reports')).toEqual([{ channel: ROOM, before: 5 }]);
  session.answers.set('audit', () => ({
    entries: [{ id: 1, at: 1_000, by: 'ann', action: 'ban', channel: ROOM, subject: 'eve' }],
  }));
  expect(await chat.moderation.audit()).toMatchObject([{ action: 'ban', subject: 'eve', at: 1 }]);
  const sanction = { id: 3, kind: 'ban', user: 'eve', by: 'ann', at: 1_000, until: 9_000 };
  session.answers.set('ban', () => sanction);
  const until = await chat.moderation.ban({ channel: ROOM, user: 'eve', durationS: 60 });
  expect(until).toEqual({ id: 3, kind: 'ban', user: 'eve', until: 9 });
  expect(session.sent('ban')).toEqual([{ channel: ROOM, user: 'eve', duration_s: 60 }]);
});

test('a list of conversations drops what was deleted meanwhile, unless it is a part', async () => {
  const { chat, session } = scripted();
  session.connect('ann');
  const talks = ['conversation:a', 'conversation:b'].map((channel) => room(channel, 'direct'));
  session.state('inbox', { notifications: [], unread: 0, conversations: talks });
  const names = () => chat.inbox?.conversations.map(({ room: { channel } }) => channel);
  session.answers.set('conversations', () => ({ rooms: talks.slice(0, 1), next: 'x' }));
  session.disconnect();
  session.connect('ann');
  await settle();
  expect(names()).toHaveLength(2);
  session.answers.set('conversations', () => ({ rooms: talks.slice(0, 1) }));
  session.disconnect();
  session.connect('ann');
  await settle();
  expect(names()).toEqual(['conversation:a']);
});

describe('one’s own status', () => {
  const own = (status: string, text?: string): JsonObject => ({
    status,
    devices: 1,
    ...(text === undefined ? {} : { text }),
  });

  test('is what the relay knows, also after a reload and from another device', () => {
    const { chat, session } = scripted();
    session.connect('ann');
    expect(chat.presence?.own).toEqual({ status: 'online' });
    session.state('presence', { users: { ann: own('away', 'lunch'), bob: own('online') } });
    expect(chat.presence?.own).toEqual({ status: 'away', text: 'lunch' });
    session.push('presence', 'presence', { user: 'bob', ...own('online') });
    expect(chat.presence?.own.status).toBe('away');
    session.push('presence', 'presence', { user: 'ann', ...own('online') });
    expect(chat.presence?.own).toEqual({ status: 'online' });
  });

  test('is told again to a relay that was started anew', async () => {
    const { chat, session } = scripted();
    session.connect('ann');
    session.state('presence', { users: { ann: own('online') } });
    await chat.presence?.set('away', 'lunch');
    session.disconnect();
    session.connect('ann');
    session.state('presence', { users: { ann: own('online') } });
    expect(chat.presence?.own).toEqual({ status: 'away', text: 'lunch' });
    const told = { status: 'away', text: 'lunch' };
    expect(session.sent('set_presence')).toEqual([told, told]);
  });
});

describe('what moderators read', () => {
  test('names those it is about', async () => {
    const { chat, session } = scripted();
    session.connect('ann');
    const entry = { id: 1, at: 1, by: 'guest-1', action: 'mute', subject: 'guest-2' };
    const names = { 'guest-1': 'Bob', 'guest-2': 'Eve' };
    session.answers.set('audit', () => ({ entries: [entry], names }));
    await chat.moderation.audit();
    expect(['guest-1', 'guest-2', 'guest-3'].map((sub) => chat.people.name(sub))).toEqual([
      'Bob',
      'Eve',
      'guest-3',
    ]);
  });
});

describe('devices', () => {
  test('are told by the relay’s key, which must be there', async () => {
    const { chat, session } = scripted();
    session.connect('ann');
    await expect(chat.devices.key()).rejects.toThrow('no key');
    session.answers.set('push_key', () => ({ public_key: 'BN' }));
    expect(await chat.devices.key()).toBe('BN');
    const device = { endpoint: 'https://push.example/1', keys: { p256dh: 'p', auth: 'a' } };
    await chat.devices.add({ ...device, keys: { ...device.keys } });
    await chat.devices.remove(device.endpoint);
    expect(session.sent('push_subscribe')).toEqual([device]);
    expect(session.sent('push_unsubscribe')).toEqual([{ endpoint: device.endpoint }]);
  });
});
