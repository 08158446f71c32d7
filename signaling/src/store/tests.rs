//! Batches, faults and migrations.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use wire::message::chat::Content;

use super::rooms::{NewRoom, create};
use super::*;
use crate::caller::Caller;
use crate::testing::{Database, on_both};
use crate::token::{Grants, Identity};

on_both!(
    many_changes_share_transactions_and_keep_their_order,
    a_retry_in_the_same_transaction_is_the_same_message,
    a_change_that_fails_spoils_no_other,
    what_was_refused_after_writing_is_undone,
    opening_again_changes_nothing,
    a_database_of_another_version_is_refused,
);

fn asking(sub: &str) -> Asking {
    let identity = Identity {
        sub: sub.into(),
        name: None,
        token_id: None,
        expires_at: 0,
        grants: Grants::default(),
    };
    Asking {
        caller: Arc::new(Caller::new(
            Some(&identity),
            IpAddr::V4(Ipv4Addr::LOCALHOST),
        )),
        now: 1_000_000,
    }
}

async fn open(database: &Database) -> (Store, mpsc::Receiver<Vec<Effect>>) {
    Store::open(&Options::new(&database.url)).await.unwrap()
}

async fn room(store: &Store) {
    let new = NewRoom {
        asking: asking("ann"),
        id: "r".into(),
        name: "Room".into(),
        topic: String::new(),
        private: false,
        transient: false,
    };
    store
        .write(new, |tx, new| Box::pin(create(tx, new)))
        .await
        .unwrap();
}

fn message(client_id: String) -> SendJob {
    SendJob {
        asking: asking("ann"),
        room: "r".into(),
        content: Content::Text {
            text: client_id.clone(),
        },
        client_id,
        reply_to: None,
        thread: None,
        mentions: Vec::new(),
        known: true,
    }
}

async fn send(store: &Store, client_id: String) -> Result<SendResult, Fail> {
    store.send(message(client_id)).await
}

async fn count(store: &Store, sql: &'static str) -> i64 {
    let mut connection = store.read().await.unwrap();
    connection
        .row(sql, &[])
        .await
        .unwrap()
        .unwrap()
        .int("number")
        .unwrap()
}

const MESSAGES: &str = "SELECT CAST(count(*) AS BIGINT) AS number FROM messages";

async fn many_changes_share_transactions_and_keep_their_order(database: &Database) {
    let (store, mut effects) = open(database).await;
    room(&store).await;
    let sent = join_all((0..300).map(|number| send(&store, number.to_string()))).await;
    let mut seqs: Vec<_> = sent.into_iter().map(|sent| sent.unwrap().seq).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=300).collect::<Vec<_>>());
    drop(store);
    let (mut batches, mut offsets) = (0, Vec::new());
    while let Some(batch) = effects.recv().await {
        batches += 1;
        for effect in batch {
            if let Effect::Event { seq, .. } = effect {
                offsets.push(seq);
            }
        }
    }
    assert_eq!(offsets, (1..=300).collect::<Vec<_>>());
    assert!(batches < 50, "{batches} transactions for 300 messages");
}

async fn a_retry_in_the_same_transaction_is_the_same_message(database: &Database) {
    let (store, _effects) = open(database).await;
    room(&store).await;
    let sends = (0..100).map(|number| send(&store, format!("m{}", number % 10)));
    let sent: Vec<_> = join_all(sends)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(count(&store, MESSAGES).await, 10);
    for (index, sent_again) in sent.iter().enumerate() {
        assert_eq!(sent_again, &sent[index % 10]);
    }
}

async fn a_change_that_fails_spoils_no_other(database: &Database) {
    let (store, mut effects) = open(database).await;
    room(&store).await;
    let broken = async |number: u32| {
        let result = store.write(number, |tx, _| {
            Box::pin(async move {
                tx.execute("INSERT INTO no_such_table VALUES (1)", &[])
                    .await?;
                Ok(())
            })
        });
        assert!(matches!(
            result.await,
            Err(Fail::Store(StoreError::Database(_)))
        ));
    };
    let good = join_all((0..20).map(|number| send(&store, number.to_string())));
    let bad = join_all((0..5).map(broken));
    let (sent, _) = tokio::join!(good, bad);
    assert!(sent.iter().all(Result::is_ok));
    assert_eq!(count(&store, MESSAGES).await, 20);
    drop(store);
    let mut events = 0;
    while let Some(batch) = effects.recv().await {
        events += batch
            .iter()
            .filter(|effect| matches!(effect, Effect::Event { .. }))
            .count();
    }
    assert_eq!(events, 20, "nothing is told that was not stored, or twice");
}

async fn what_was_refused_after_writing_is_undone(database: &Database) {
    let (store, _effects) = open(database).await;
    room(&store).await;
    let half = store.write((), |tx, ()| {
        Box::pin(async move {
            tx.execute("DELETE FROM rooms", &[]).await?;
            Err::<(), _>(refuse(ErrorCode::Forbidden, "no"))
        })
    });
    let (half, sent) = tokio::join!(half, send(&store, "x".into()));
    assert!(matches!(half, Err(Fail::Refused(_))));
    assert!(sent.is_ok());
    assert_eq!(
        count(
            &store,
            "SELECT CAST(count(*) AS BIGINT) AS number FROM rooms"
        )
        .await,
        1
    );
}

async fn opening_again_changes_nothing(database: &Database) {
    let (store, effects) = open(database).await;
    room(&store).await;
    send(&store, "kept".into()).await.unwrap();
    drop((store, effects));
    for _ in 0..3 {
        let (store, _effects) = open(database).await;
        assert_eq!(count(&store, MESSAGES).await, 1);
        assert_eq!(send(&store, "kept".into()).await.unwrap().seq, 1);
        store.ready().await.unwrap();
    }
    assert!(matches!(
        Store::open(&Options::new("mysql://secret@host/db")).await,
        Err(StoreError::Address(scheme)) if scheme == "mysql"
    ));
}

async fn a_database_of_another_version_is_refused(database: &Database) {
    let (store, _effects) = open(database).await;
    let change = |sql: &'static str| {
        let store = store.clone();
        async move {
            let changed = store.write(sql, |tx, sql| {
                Box::pin(async move { Ok(tx.execute(sql, &[]).await?) })
            });
            changed.await.unwrap();
        }
    };
    change("INSERT INTO migrations (number, checksum) VALUES (9, 'later')").await;
    let later = Store::open(&Options::new(&database.url)).await;
    assert!(matches!(later, Err(StoreError::Migration(9))));
    change("DELETE FROM migrations WHERE number = 9").await;
    change("UPDATE migrations SET checksum = 'other'").await;
    let other = Store::open(&Options::new(&database.url)).await;
    assert!(matches!(other, Err(StoreError::Migration(1))));
}

#[tokio::test]
async fn a_full_disk_refuses_and_keeps_what_was_acknowledged() {
    let database = crate::testing::sqlite();
    let (mut acknowledged, mut refused) = (0, 0);
    let options = Options {
        sqlite_pages_max: Some(120),
        ..Options::new(&database.url)
    };
    {
        let (store, mut effects) = Store::open(&options).await.unwrap();
        tokio::spawn(async move { while effects.recv().await.is_some() {} });
        room(&store).await;
        for round in 0..40 {
            let texts = (0..25).map(|number| format!("{round}/{number} {}", "full ".repeat(40)));
            for sent in join_all(texts.map(|text| send(&store, text))).await {
                match sent {
                    Ok(_) => acknowledged += 1,
                    Err(fail) => {
                        let error = fail.into_wire();
                        assert_eq!(
                            (error.code, error.temporary),
                            (ErrorCode::Unavailable, true)
                        );
                        refused += 1;
                    }
                }
            }
        }
        assert_eq!(count(&store, MESSAGES).await, acknowledged);
    }
    assert!(
        acknowledged > 10 && refused > 10,
        "{acknowledged} {refused}"
    );
    // With room again it goes on where it was.
    let (store, _effects) = open(&database).await;
    assert_eq!(count(&store, MESSAGES).await, acknowledged);
    assert_eq!(
        send(&store, "more".into()).await.unwrap().seq as i64,
        acknowledged + 1
    );
}

#[tokio::test]
async fn a_locked_database_is_waited_for_and_then_refused() {
    let database = crate::testing::sqlite();
    let options = Options {
        busy_timeout: Duration::from_millis(300),
        ..Options::new(&database.url)
    };
    let (store, _effects) = Store::open(&options).await.unwrap();
    room(&store).await;
    let (other, _other_effects) = open(&database).await;
    let mut lock = other.pools.writer().await.unwrap();
    lock.execute("BEGIN IMMEDIATE", &[]).await.unwrap();
    let refused = send(&store, "a".into()).await.unwrap_err().into_wire();
    assert_eq!(
        (refused.code, refused.temporary),
        (ErrorCode::Unavailable, true)
    );
    let waiting = send(&store, "b".into());
    let unlocking = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        lock.execute("ROLLBACK", &[]).await.unwrap();
    };
    let (sent, ()) = tokio::join!(waiting, unlocking);
    assert_eq!(sent.unwrap().seq, 1);
}
