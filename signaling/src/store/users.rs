//! The users the store has heard of.

use super::connection::StoreError;
use super::{Asking, Tx};

/// Keeps whoever asks in mind. Each change that others see the author of does this first.
pub(crate) async fn know(tx: &mut Tx, asking: &Asking) -> Result<(), StoreError> {
    let caller = &asking.caller;
    tx.execute(
        "INSERT INTO users (sub, name, created_at) VALUES ($1, $2, $3)
         ON CONFLICT (sub) DO UPDATE SET name = coalesce(excluded.name, users.name)",
        &[caller.sub().into(), caller.name().into(), asking.now.into()],
    )
    .await?;
    Ok(())
}

/// Whether the store has heard of that user.
pub(crate) async fn is_known(tx: &mut Tx, sub: &str) -> Result<bool, StoreError> {
    let row = tx
        .reading()
        .row("SELECT sub FROM users WHERE sub = $1", &[sub.into()])
        .await?;
    Ok(row.is_some())
}
