//! The transaction a change runs in.

mod bulk;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use serde_json::value::RawValue;
use wire::frame::Push;

use super::connection::{Connection, Row, StoreError, Value};
use super::effect::Effect;

use bulk::Event;
pub(super) use bulk::MessageRow;

/// The transaction of a batch, as one change sees it.
#[derive(Debug)]
pub(crate) struct Tx {
    connection: Connection,
    effects: Vec<Effect>,
    /// Whether the present change has written.
    wrote: bool,
    /// When it was asked for.
    asked: Instant,
    /// The newest offsets of the channels that events were added to. They are
    /// written once per transaction, however many events there are.
    newest: HashMap<String, u64>,
    /// Events to be written together: nothing reads them before the commit.
    events: Vec<Event>,
    /// Messages to be written together. What reads or changes messages has
    /// [`Self::settle`] called first.
    messages: Vec<MessageRow>,
}

impl Tx {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            effects: Vec::new(),
            wrote: false,
            asked: Instant::now(),
            newest: HashMap::new(),
            events: Vec::new(),
            messages: Vec::new(),
        }
    }

    /// Writes the messages that were put together.
    pub(super) async fn settle(&mut self) -> Result<(), StoreError> {
        let messages = std::mem::take(&mut self.messages);
        bulk::MESSAGES.insert(&mut self.connection, &messages).await
    }

    /// Writes all that was put together: the last thing before the commit.
    pub(super) async fn flush(&mut self) -> Result<(), StoreError> {
        self.settle().await?;
        let events = std::mem::take(&mut self.events);
        bulk::EVENTS.insert(&mut self.connection, &events).await?;
        for (name, seq) in std::mem::take(&mut self.newest) {
            self.execute(
                "UPDATE channels SET last_seq = $2 WHERE name = $1",
                &[(&name).into(), seq.into()],
            )
            .await?;
        }
        Ok(())
    }

    /// Puts a message with those to be written.
    pub(super) fn add_message(&mut self, row: MessageRow) {
        self.wrote = true;
        self.messages.push(row);
    }

    /// The message of that client id among those not yet written.
    pub(super) fn unwritten(&self, sender: &str, client_id: &str) -> Option<&MessageRow> {
        let of =
            |row: &&MessageRow| row.sender == sender && row.client_id.as_deref() == Some(client_id);
        self.messages.iter().find(of)
    }

    /// Begins with the next change, which was asked for at that time.
    pub(super) fn next_change(&mut self, asked: Instant) {
        self.wrote = false;
        self.asked = asked;
    }

    pub(super) fn wrote(&self) -> bool {
        self.wrote
    }

    pub(super) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    pub(super) fn into_connection(self) -> Connection {
        self.connection
    }

    /// The connection, for reading.
    pub(crate) fn reading(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Runs a statement that writes.
    pub(crate) async fn execute(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StoreError> {
        self.wrote = true;
        self.connection.execute(sql, values).await
    }

    /// Runs a statement that writes, and gives what it returns.
    pub(crate) async fn returning(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        self.wrote = true;
        self.connection.rows(sql, values).await
    }

    /// Has something done once this is committed.
    pub(crate) fn then(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Begins a channel at offset 0 in a new epoch; one that exists stays.
    pub(crate) async fn open_channel(&mut self, name: &str) -> Result<(), StoreError> {
        let epoch = crate::id::random();
        self.execute(
            "INSERT INTO channels (name, epoch) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
            &[name.into(), (&epoch).into()],
        )
        .await?;
        Ok(())
    }

    /// The next offset of a channel, which must exist. It is this transaction's:
    /// there is only one writer, and it has the lock.
    pub(crate) async fn next_seq(&mut self, name: &str) -> Result<u64, StoreError> {
        self.wrote = true;
        if let Some(newest) = self.newest.get_mut(name) {
            *newest += 1;
            return Ok(*newest);
        }
        let sql = "SELECT last_seq FROM channels WHERE name = $1";
        let row = self.connection.row(sql, &[name.into()]).await?;
        let seq = row.ok_or(sqlx::Error::RowNotFound)?.count("last_seq")? + 1;
        self.newest.insert(name.to_owned(), seq);
        Ok(seq)
    }

    /// Stores an event at an offset taken by [`Self::next_seq`], and pushes it once committed.
    pub(crate) fn record<T: Serialize>(
        &mut self,
        channel: Channel<'_>,
        seq: u64,
        kind: &str,
        data: &T,
        at: i64,
    ) {
        self.wrote = true;
        let data = serde_json::value::to_raw_value(data)
            .expect("wire types have string keys and serialize");
        self.then(Effect::Event {
            channel: channel.name.into(),
            seq,
            asked: self.asked,
            frame: encode(channel.wire, Some(seq), kind, data.clone()),
        });
        self.events.push(Event {
            channel: channel.name.to_owned(),
            seq,
            kind: kind.to_owned(),
            data,
            at,
        });
    }

    /// Takes the next offset and stores an event there.
    pub(crate) async fn append<T: Serialize>(
        &mut self,
        channel: Channel<'_>,
        kind: &str,
        data: &T,
        at: i64,
    ) -> Result<u64, StoreError> {
        let seq = self.next_seq(channel.name).await?;
        self.record(channel, seq, kind, data, at);
        Ok(seq)
    }
}

/// A channel's key in the store and its name on the wire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Channel<'a> {
    pub(crate) name: &'a str,
    pub(crate) wire: &'a str,
}

/// The frame of a push.
pub(crate) fn encode(
    channel: &str,
    offset: Option<u64>,
    kind: &str,
    data: Box<RawValue>,
) -> Arc<str> {
    let push = Push {
        channel: channel.to_owned(),
        offset,
        kind: kind.to_owned(),
        data,
    };
    push.encode().into()
}
