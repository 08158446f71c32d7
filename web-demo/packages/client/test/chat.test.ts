import { describe, expect, test } from 'vitest';
import { failure, SkywaveError } from '../src/errors.ts';
import { message, room, scripted } from './chat-session.ts';
import { MarkSender, Receipts } from '../src/chat/receipts.ts';
import { Outbox } from '../src/chat/outbox.ts';
import { parseMessage, type Message } from '../src/wire/chat.ts';
import { parseRoomEvent } from '../src/wire/chat-events.ts';
import { Timeline } from '../src/chat/timeline.ts';
import { settle, VirtualTime } from './virtual-time.ts';
import { TypingSender } from '../src/chat/typing.ts';
import type { JsonObject } from '../src/wire/json.ts';

const ROOM = 'room:@demo';
const TALK = 'conversation:t1';

function parsed(seq: number, text: string, more: JsonObject = {}): Message {
  const result = parseMessage(message(seq, 'ann', text, more));
  if (!result) throw new Error('no message');
  return result;
}

function texts(messages: readonly Message[]): (string | undefined)[] {
  return messages.map(({ content }) => (content?.type === 'text' ? content.text : undefined));
}

describe('a timeline', () => {
  const event = (type: string, data: JsonObject) => {
    const result = parseRoomEvent({ channel: ROOM, type, data });
    if (!result) throw new Error(`no event ${type}`);
    return result;
  };

  test('is in order and without doubles, whatever comes by which way', () => {
    const timeline = new Timeline();
    timeline.handleState([parsed(5, 'five'), parsed(9, 'nine')], true);
    expect(timeline.handle(event('message', message(12, 'bob', 'twelve')), 'ann')).toBe(true);
    expect(timeline.handle(event('message', message(9, 'ann', 'nine')), 'ann')).toBe(false);
    timeline.handleOlder([parsed(5, 'five'), parsed(2, 'two')], false);
    expect(texts(timeline.messages)).toEqual(['two', 'five', 'nine', 'twelve']);
    expect(timeline.more).toBe(false);
  });

  test('applies only versions above the known one', () => {
    const timeline = new Timeline();
    timeline.handleState([parsed(1, 'now', { version: 3 })], false);
    const edit = (version: number, text: string) =>
      event('edited', { seq: 1, version, content: { type: 'text', text }, by: 'ann', at: 1 });
    expect(timeline.handle(edit(3, 'old'), 'ann')).toBe(false);
    expect(timeline.handle(edit(4, 'new'), 'ann')).toBe(true);
    expect(texts(timeline.messages)).toEqual(['new']);
    timeline.handle(event('deleted', { seq: 1, version: 5, by: 'ann', at: 2 }), 'ann');
    timeline.handle(edit(4, 'back'), 'ann');
    expect(timeline.get(1)?.content).toBeUndefined();
  });

  test('knows which reactions are mine, also when another device gave them', () => {
    const timeline = new Timeline();
    timeline.handleState([parsed(1, 'a', { reactions: { '👍': 1 } })], false);
    const react = (version: number, reactions: JsonObject, by: string) => {
      timeline.handle(event('reactions', { seq: 1, version, reactions, by }), 'me');
    };
    react(2, { '👍': 2 }, 'me');
    react(3, { '👍': 2, '🎉': 1 }, 'bob');
    expect(timeline.get(1)).toMatchObject({ mine: ['👍'], reactions: { '👍': 2, '🎉': 1 } });
    react(4, { '👍': 1, '🎉': 1 }, 'me');
    expect(timeline.get(1)?.mine).toEqual([]);
  });

  test('keeps the newest when there are too many', () => {
    const timeline = new Timeline(3);
    for (let seq = 1; seq <= 5; seq++)
      timeline.handle(event('message', message(seq, 'a', `${seq}`)), 'a');
    expect(texts(timeline.messages)).toEqual(['3', '4', '5']);
    expect(timeline.more).toBe(true);
  });
});

describe('an outbox', () => {
  function outbox(send: (text: string, clientId: string) => Promise<{ seq: number; at: number }>) {
    const timers = new VirtualTime();
    let ids = 0;
    const box = new Outbox('ann', {
      timers,
      random: () => 0.5,
      newId: () => `c${++ids}`,
      send: ({ content, clientId }) => send(content.type === 'text' ? content.text : '', clientId),
    });
    const say = (text: string) => box.add({ channel: ROOM, content: { type: 'text', text } });
    const states = () => box.of(ROOM).map(({ state }) => state);
    return { box, timers, say, states };
  }

  test('keeps what is said without a connection, and sends it in order', async () => {
    const sent: string[] = [];
    const { box, say, states } = outbox((text) => {
      sent.push(text);
      return Promise.resolve({ seq: sent.length, at: 0 });
    });
    say('one');
    say('two');
    await settle();
    expect([sent, states()]).toEqual([[], ['queued', 'queued']]);
    box.handleConnected(true);
    await settle();
    expect([sent, states()]).toEqual([['one', 'two'], []]);
  });

  test('sends again under the same id until it is acknowledged', async () => {
    const ids: string[] = [];
    const { box, timers, say, states } = outbox((_, clientId) => {
      ids.push(clientId);
      if (ids.length === 1) return Promise.reject(failure('timeout', ''));
      if (ids.length === 2) return Promise.reject(failure('unavailable', '', true));
      return Promise.resolve({ seq: 1, at: 0 });
    });
    box.handleConnected(true);
    say('hello');
    await settle();
    expect(states()).toEqual(['waiting']);
    await timers.advance(2_000);
    expect(ids).toEqual(['c1', 'c1', 'c1']);
    expect(states()).toEqual([]);
  });

  test('waits as long as a rate limit says', async () => {
    let tries = 0;
    const { box, timers, say } = outbox(() => {
      tries++;
      const refused = { code: 'rate_limited', message: '', temporary: true, retryAfterMs: 7_000 };
      return Promise.reject(new SkywaveError(refused));
    });
    box.handleConnected(true);
    say('hello');
    await timers.advance(6_900);
    expect(tries).toBe(1);
    await timers.advance(200);
    expect(tries).toBe(2);
  });

  test('what is refused for good stops nothing else and can be tried again', async () => {
    let blocked = true;
    const { box, say, states } = outbox((text) =>
      text === 'bad' && blocked
        ? Promise.reject(failure('blocked_text', 'not allowed'))
        : Promise.resolve({ seq: 1, at: 0 }),
    );
    box.handleConnected(true);
    const bad = say('bad');
    say('good');
    await settle();
    expect(states()).toEqual(['failed']);
    expect(box.of(ROOM)[0]?.error?.code).toBe('blocked_text');
    blocked = false;
    box.retry(ROOM, bad.clientId);
    await settle();
    expect(states()).toEqual([]);
  });

  test('is full at some time', () => {
    const { say } = outbox(() => Promise.resolve({ seq: 1, at: 0 }));
    for (let count = 0; count < 100; count++) say('x');
    expect(() => say('x')).toThrow('too many');
  });
});

test('watermarks never go back, and a message is read when all have read it', () => {
  const receipts = new Receipts();
  receipts.handleMembers([
    { sub: 'me', role: 'member', marks: { delivered: 9, read: 9 } },
    { sub: 'bob', role: 'member', marks: { delivered: 5, read: 3 } },
    { sub: 'eve', role: 'member', marks: { delivered: 4, read: 0 } },
  ]);
  expect([3, 4, 5].map((seq) => receipts.delivery(seq, 'me'))).toEqual([
    'delivered',
    'delivered',
    'sent',
  ]);
  receipts.handle(new Map([['eve', { delivered: 3, read: 4 }]]));
  receipts.handle(new Map([['bob', { delivered: 2, read: 1 }]]));
  expect([3, 4].map((seq) => receipts.delivery(seq, 'me'))).toEqual(['read', 'delivered']);
});

test('marks are told seldom, the highest only, and again after a failure', async () => {
  const timers = new VirtualTime();
  const told: number[] = [];
  let fails = true;
  const marks = new MarkSender(({ read }) => {
    told.push(read);
    return fails ? Promise.reject(failure('disconnected', '')) : Promise.resolve();
  }, timers);
  for (const read of [1, 2, 5, 3]) marks.raise({ read });
  await timers.advance(1_000);
  expect(told).toEqual([5]);
  fails = false;
  await timers.advance(5_000);
  marks.raise({ read: 4 });
  await timers.advance(5_000);
  expect(told).toEqual([5, 5]);
  // Whoever leaves right after reading has read it.
  marks.raise({ read: 6 });
  marks.finish();
  marks.raise({ read: 7 });
  await timers.advance(5_000);
  expect(told).toEqual([5, 5, 6]);
});

test('typing is said every three seconds at most', async () => {
  const timers = new VirtualTime();
  const said: boolean[] = [];
  const typing = new TypingSender((on) => said.push(on), timers);
  for (let passed = 0; passed < 7_000; passed += 500) {
    typing.handleInput();
    await timers.advance(500);
  }
  expect(said).toEqual([true, true, true]);
  typing.handleSent();
  typing.handleInput();
  typing.handleStopped();
  expect(said).toEqual([true, true, true, true, false]);
});

describe('a chat', () => {
  test('shows a message at once and once, whichever of answer and push comes first', async () => {
    const { chat, session } = scripted();
    session.connect('ann');
    const demo = chat.open(ROOM);
    session.state(ROOM, { room: room(ROOM, 'station'), messages: [], more: false });
    session.answers.set('send', () => ({ seq: 7, at: 7_000 }));
    demo.say('hello');
    expect(demo.outgoing).toHaveLength(1);
    await settle();
    expect([demo.outgoing.length, texts(demo.messages)]).toEqual([0, ['hello']]);
    session.push(ROOM, 'message', message(7, 'ann', 'hello', { client_id: 'c1' }), 7);
    expect(texts(demo.messages)).toEqual(['hello']);
    // The push first, the answer never.
    session.answers.set('send', () => new Promise(() => undefined));
    demo.say('again');
    session.push(ROOM, 'message', message(8, 'ann', 'again', { client_id: 'c2' }), 8);
    expect([demo.outgoing.length, texts(demo.messages)]).toEqual([0, ['hello', 'again']]);
  });

  test('loses nothing that was said while the server was away, nor over a reload', async () => {
    const first = scripted();
    first.session.connect('ann');
    const demo = first.chat.open(ROOM);
    first.session.disconnect();
    demo.say('while away');
    expect(first.session.sent('send')).toEqual([]);
    first.chat.close();
    const second = scripted(first.storage);
    second.session.connect('ann');
    await settle();
    expect(second.session.sent('send')).toMatchObject([{ channel: ROOM, client_id: 'c1' }]);
    expect(first.storage.length).toBe(0);
    const other = scripted(first.storage);
    other.session.connect('bob');
    await settle();
    expect(other.session.sent('send')).toEqual([]);
  });

  test('joins an open room when it first writes there', async () => {
    const { chat, session } = scripted();
    session.connect('ann');
    let member = false;
    session.answers.set('join_room', () => {
      member = true;
      return { room: room(ROOM, 'station') };
    });
    session.answers.set('send', () => {
      if (!member) throw failure('not_member', 'join first');
      return { seq: 1, at: 1 };
    });
    const demo = chat.open(ROOM);
    demo.say('hello');
    await settle();
    expect(session.requests.map(({ method }) => method)).toEqual(['send', 'join_room', 'send']);
    expect(demo.outgoing).toEqual([]);
  });

  test('visitors look and cannot write; who signs in sees the room anew', () => {
    const { chat, session } = scripted();
    session.connect();
    const demo = chat.open(ROOM);
    expect(() => demo.say('hello')).toThrow('sign in');
    expect(session.follows('inbox')).toBe(false);
    session.refuse(ROOM, 'forbidden');
    expect(demo.phase).toBe('refused');
    session.connect('ann');
    expect(demo.phase).toBe('loading');
    expect([session.follows('inbox'), session.follows('presence')]).toEqual([true, true]);
    session.connect();
    expect(session.follows('inbox')).toBe(false);
  });

  test('acknowledges what reached this device, and reads the marks of others', async () => {
    const { chat, session, time } = scripted();
    session.connect('ann');
    const talk = chat.open(TALK);
    const mine = { role: 'member', delivered: 0, read: 0, unread: 0 };
    const participants = [
      { sub: 'ann', role: 'member', delivered: 0, read: 0 },
      { sub: 'bob', name: 'BOB', role: 'member', delivered: 0, read: 0 },
    ];
    const state = { room: room(TALK, 'direct', { mine }), messages: [], more: false, participants };
    session.state(TALK, state);
    session.push(TALK, 'message', message(1, 'ann', 'hi', { client_id: 'x' }), 1);
    expect(talk.delivery(1)).toBe('sent');
    session.push(TALK, 'receipts', { marks: { bob: { delivered: 1, read: 0 } } });
    expect(talk.delivery(1)).toBe('delivered');
    session.push(TALK, 'receipts', { marks: { bob: { delivered: 1, read: 1 } } });
    expect(talk.delivery(1)).toBe('read');
    session.push(TALK, 'message', message(2, 'bob', 'hello'), 2);
    talk.markRead(2);
    await time.advance(2_000);
    expect(session.sent('mark')).toEqual([{ channel: TALK, delivered: 2, read: 2 }]);
  });

  test('who signs in after somebody else begins with marks of their own', async () => {
    const { chat, session, time } = scripted();
    const talk = chat.open(ROOM);
    const state = (read: number) => {
      const mine = { role: 'member', delivered: read, read, unread: 0 };
      session.state(ROOM, { room: room(ROOM, 'station', { mine }), messages: [], more: false });
    };
    session.connect('ann');
    state(9);
    session.connect('bob');
    state(2);
    talk.markRead(5);
    await time.advance(1_000);
    expect(session.sent('mark')).toEqual([{ channel: ROOM, delivered: 5, read: 5 }]);
  });

  test('asks again for what is volatile once the connection is back', async () => {
    const { chat, session } = scripted();
    session.connect('ann');
    const talk = chat.open(TALK);
    session.state('inbox', { notifications: [], unread: 0, conversations: [] });
    session.state(TALK, {
      room: room(TALK, 'direct'),
      messages: [],
      more: false,
      participants: [],
    });
    session.push(TALK, 'typing', { users: [{ sub: 'bob' }] });
    expect(talk.typing).toEqual([{ sub: 'bob' }]);
    session.disconnect();
    const mine = { role: 'member', delivered: 0, read: 0, unread: 4 };
    session.answers.set('conversations', () => ({
      rooms: [room(TALK, 'direct', { mine, last_message: 4 })],
    }));
    session.answers.set('members', () => ({
      members: [{ sub: 'bob', role: 'member', delivered: 3, read: 3 }],
    }));
    session.connect('ann');
    await settle();
    expect(talk.typing).toEqual([]);
    expect(talk.delivery(3)).toBe('read');
    expect(chat.inbox?.unreadMessages).toBe(4);
  });

  test('an inbox counts what is unread on all devices alike', async () => {
    const { chat, session } = scripted();
    session.connect('ann');
    const from = { sub: 'bob', name: 'Bob' };
    const mention = (seq: number) => ({
      ...{ seq, at: seq, read: false, kind: 'mention', channel: ROOM, message: 3, from },
      preview: 'hey',
    });
    session.state('inbox', { notifications: [mention(1)], unread: 1, conversations: [] });
    session.push('inbox', 'notification', mention(2), 2);
    expect(chat.inbox?.unreadNotifications).toBe(2);
    session.push('inbox', 'notifications_read', { up_to: 2 }, 3);
    expect(chat.inbox?.unreadNotifications).toBe(0);
    const latest = message(4, 'bob', 'four');
    const mine = { role: 'member', delivered: 4, read: 0, unread: 3 };
    session.answers.set('conversations', () => ({
      rooms: [room(TALK, 'direct', { others: [from], latest, last_message: 4, mine })],
    }));
    session.push('inbox', 'conversation', { channel: TALK, unread: 3, read: 0 });
    session.push('inbox', 'conversation', { channel: TALK, unread: 3, read: 0 });
    await settle();
    // One request, whatever there is to know.
    expect(session.sent('conversations')).toHaveLength(1);
    expect(chat.inbox?.title(TALK)).toBe('Bob');
    expect(chat.inbox?.conversation(TALK)).toMatchObject({ last: { seq: 4 }, unread: 3 });
    session.push('inbox', 'conversation', { channel: TALK, unread: 0, read: 4 });
    expect(chat.inbox?.unreadMessages).toBe(0);
    session.push('inbox', 'conversation_deleted', { channel: TALK });
    expect(chat.inbox?.conversations).toEqual([]);
  });
});
