//! Rows that are inserted many at a time: each statement costs two turns of
//! threads, which is more than the insertion itself.

use std::sync::LazyLock;

use serde_json::value::RawValue;

use super::super::connection::{Connection, StoreError, Value};

/// Rows per statement.
const TOGETHER: usize = 16;

/// Inserts events.
pub(super) static EVENTS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new("INSERT INTO events (channel, seq, kind, data, at)", 5));

/// Inserts messages.
pub(super) static MESSAGES: LazyLock<Bulk> = LazyLock::new(|| {
    let into = "INSERT INTO messages (room, seq, sender, sender_name, client_id, content, words,
        reply_to, thread, mentions, at)";
    Bulk::new(into, 11)
});

/// A row of many.
pub(super) trait Values {
    /// Its columns, in the statement's order.
    fn values(&self) -> Vec<Value<'_>>;
}

/// The same insertion for one row and for [`TOGETHER`].
#[derive(Debug)]
pub(super) struct Bulk {
    one: &'static str,
    together: &'static str,
}

impl Bulk {
    /// `into` is our own text, never a client's. It is kept for the life of the process.
    fn new(into: &str, columns: usize) -> Self {
        let sql = |rows: usize| {
            let row = |row: usize| {
                let values = (1..=columns).map(|column| format!("${}", row * columns + column));
                format!("({})", values.collect::<Vec<_>>().join(", "))
            };
            let rows = (0..rows).map(row).collect::<Vec<_>>().join(", ");
            &*Box::leak(format!("{into} VALUES {rows}").into_boxed_str())
        };
        Self {
            one: sql(1),
            together: sql(TOGETHER),
        }
    }

    pub(super) async fn insert<T: Values>(
        &self,
        connection: &mut Connection,
        rows: &[T],
    ) -> Result<(), StoreError> {
        for chunk in rows.chunks(TOGETHER) {
            if chunk.len() == TOGETHER {
                let values: Vec<_> = chunk.iter().flat_map(T::values).collect();
                connection.execute(self.together, &values).await?;
            } else {
                for row in chunk {
                    connection.execute(self.one, &row.values()).await?;
                }
            }
        }
        Ok(())
    }
}

/// A row of `events`.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) channel: String,
    pub(super) seq: u64,
    pub(super) kind: String,
    pub(super) data: Box<RawValue>,
    pub(super) at: i64,
}

impl Values for Event {
    fn values(&self) -> Vec<Value<'_>> {
        vec![
            (&self.channel).into(),
            self.seq.into(),
            (&self.kind).into(),
            self.data.get().into(),
            self.at.into(),
        ]
    }
}

/// A row of `messages` that is new.
#[derive(Debug)]
pub(in crate::store) struct MessageRow {
    pub(in crate::store) room: String,
    pub(in crate::store) seq: u64,
    pub(in crate::store) sender: String,
    pub(in crate::store) sender_name: Option<String>,
    pub(in crate::store) client_id: Option<String>,
    pub(in crate::store) content: String,
    pub(in crate::store) words: String,
    pub(in crate::store) reply_to: Option<u64>,
    pub(in crate::store) thread: Option<u64>,
    pub(in crate::store) mentions: String,
    pub(in crate::store) at: i64,
}

impl Values for MessageRow {
    fn values(&self) -> Vec<Value<'_>> {
        vec![
            (&self.room).into(),
            self.seq.into(),
            (&self.sender).into(),
            self.sender_name.as_deref().into(),
            self.client_id.as_deref().into(),
            (&self.content).into(),
            (&self.words).into(),
            self.reply_to.into(),
            self.thread.into(),
            (&self.mentions).into(),
            self.at.into(),
        ]
    }
}
