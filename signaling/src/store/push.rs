//! Devices that are told of notifications by Web Push.

use wire::message::push::PushKeys;

use super::connection::{Connection, StoreError};
use super::standing::Asking;
use super::{Fail, Tx, users};

/// Devices of one user; a further one takes the place of the oldest.
pub(crate) const DEVICES_MAX: i64 = 10;

/// A device that is told.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) endpoint: String,
    pub(crate) keys: PushKeys,
}

/// A device to be told.
pub(crate) struct DeviceJob {
    pub(crate) asking: Asking,
    pub(crate) device: Device,
}

/// Keeps a device. It belongs to whoever used it last: a browser that another user
/// signed in with must not show what is meant for the former.
pub(crate) async fn subscribe(tx: &mut Tx, job: &DeviceJob) -> Result<(), Fail> {
    let (sub, device) = (job.asking.caller.sub(), &job.device);
    users::know(tx, &job.asking).await?;
    tx.execute(
        "INSERT INTO push_subscriptions (endpoint, sub, p256dh, auth, at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (endpoint) DO UPDATE SET
            sub = excluded.sub, p256dh = excluded.p256dh, auth = excluded.auth, at = excluded.at",
        &[
            (&device.endpoint).into(),
            sub.into(),
            (&device.keys.p256dh).into(),
            (&device.keys.auth).into(),
            job.asking.now.into(),
        ],
    )
    .await?;
    tx.execute(
        "DELETE FROM push_subscriptions WHERE sub = $1 AND endpoint NOT IN
            (SELECT endpoint FROM push_subscriptions WHERE sub = $1
             ORDER BY at DESC, endpoint LIMIT $2)",
        &[sub.into(), DEVICES_MAX.into()],
    )
    .await?;
    Ok(())
}

/// Forgets a device of a user's; one that is unknown is forgotten already.
pub(crate) async fn unsubscribe(tx: &mut Tx, gone: &(String, String)) -> Result<(), Fail> {
    let (sub, endpoint) = gone;
    tx.execute(
        "DELETE FROM push_subscriptions WHERE endpoint = $1 AND sub = $2",
        &[endpoint.into(), sub.into()],
    )
    .await?;
    Ok(())
}

/// Forgets a device its push service knows no more.
pub(crate) async fn gone(tx: &mut Tx, endpoint: &String) -> Result<(), Fail> {
    tx.execute(
        "DELETE FROM push_subscriptions WHERE endpoint = $1",
        &[endpoint.into()],
    )
    .await?;
    Ok(())
}

/// The devices of a user.
pub(crate) async fn devices(
    connection: &mut Connection,
    sub: &str,
) -> Result<Vec<Device>, StoreError> {
    let rows = connection
        .rows(
            "SELECT endpoint, p256dh, auth FROM push_subscriptions WHERE sub = $1 ORDER BY at",
            &[sub.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Device {
                endpoint: row.text("endpoint")?,
                keys: PushKeys {
                    p256dh: row.text("p256dh")?,
                    auth: row.text("auth")?,
                },
            })
        })
        .collect()
}
