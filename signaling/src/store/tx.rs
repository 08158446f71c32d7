//! The transaction a change runs in.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use wire::frame::Push;

use super::connection::{Connection, Row, StoreError, Value};
use super::effect::Effect;

/// The transaction of a batch, as one change sees it.
#[derive(Debug)]
pub(crate) struct Tx {
    connection: Connection,
    effects: Vec<Effect>,
    /// Whether the present change has written.
    wrote: bool,
}

impl Tx {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            effects: Vec::new(),
            wrote: false,
        }
    }

    /// Begins with the next change.
    pub(super) fn next_change(&mut self) {
        self.wrote = false;
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

    /// The next offset of a channel, which must exist.
    pub(crate) async fn next_seq(&mut self, name: &str) -> Result<u64, StoreError> {
        let rows = self
            .returning(
                "UPDATE channels SET last_seq = last_seq + 1 WHERE name = $1 RETURNING last_seq",
                &[name.into()],
            )
            .await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        row.count("last_seq")
    }

    /// Stores an event at an offset taken by [`Self::next_seq`], and pushes it once committed.
    pub(crate) async fn record<T: Serialize>(
        &mut self,
        channel: Channel<'_>,
        seq: u64,
        kind: &str,
        data: &T,
        at: i64,
    ) -> Result<(), StoreError> {
        let data = serde_json::value::to_raw_value(data)
            .expect("wire types have string keys and serialize");
        self.execute(
            "INSERT INTO events (channel, seq, kind, data, at) VALUES ($1, $2, $3, $4, $5)",
            &[
                channel.name.into(),
                seq.into(),
                kind.into(),
                data.get().into(),
                at.into(),
            ],
        )
        .await?;
        self.then(Effect::Event {
            channel: channel.name.into(),
            seq,
            frame: encode(channel.wire, Some(seq), kind, data),
        });
        Ok(())
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
        self.record(channel, seq, kind, data, at).await?;
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
