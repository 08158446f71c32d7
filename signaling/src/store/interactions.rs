//! Likes, favourites, follows and shares of stations.

use wire::StationId;
use wire::code::ErrorCode;
use wire::message::interaction::{
    FavouritesResult, InteractionCounts, InteractionKind, InteractionsResult,
};

use super::connection::{Connection, StoreError};
use super::rooms::station_room;
use super::standing::Asking;
use super::{Effect, Fail, Tx, refuse, users};

/// Something done, or taken back.
#[derive(Debug)]
pub(crate) struct InteractJob {
    pub(crate) asking: Asking,
    pub(crate) station: StationId,
    pub(crate) kind: InteractionKind,
    pub(crate) on: bool,
}

fn kind_name(kind: InteractionKind) -> &'static str {
    match kind {
        InteractionKind::Like => "like",
        InteractionKind::Favourite => "favourite",
        InteractionKind::Follow => "follow",
        InteractionKind::Share => "share",
    }
}

fn kind_of(name: &str) -> InteractionKind {
    match name {
        "like" => InteractionKind::Like,
        "favourite" => InteractionKind::Favourite,
        "follow" => InteractionKind::Follow,
        _ => InteractionKind::Share,
    }
}

pub(crate) async fn interact(tx: &mut Tx, job: &InteractJob) -> Result<InteractionsResult, Fail> {
    let caller = &job.asking.caller;
    if caller.is_anonymous() {
        return Err(refuse(ErrorCode::Unauthorized, "sign in first"));
    }
    if job.kind == InteractionKind::Share && !job.on {
        return Err(refuse(
            ErrorCode::BadRequest,
            "on: a share cannot be taken back",
        ));
    }
    let room = station_room(&job.station);
    let known = tx
        .reading()
        .row("SELECT id FROM rooms WHERE id = $1", &[(&room).into()])
        .await?;
    if known.is_none() {
        return Err(refuse(ErrorCode::UnknownStation, "no such station"));
    }
    users::know(tx, &job.asking).await?;
    let sql = if job.on {
        "INSERT INTO interactions (station, kind, sub, at) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING"
    } else {
        "DELETE FROM interactions WHERE station = $1 AND kind = $2 AND sub = $3 AND $4 > 0"
    };
    let station = job.station.as_str();
    let values = &[
        station.into(),
        kind_name(job.kind).into(),
        caller.sub().into(),
        job.asking.now.into(),
    ];
    if tx.execute(sql, values).await? > 0 {
        count(tx, job).await?;
        let counts = counts(tx.reading(), &job.station).await?;
        tell(tx, &room, &counts);
    }
    read(tx.reading(), &job.asking, &job.station).await
}

async fn count(tx: &mut Tx, job: &InteractJob) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO interaction_counts (station) VALUES ($1) ON CONFLICT DO NOTHING",
        &[job.station.as_str().into()],
    )
    .await?;
    let sql = match job.kind {
        InteractionKind::Like => {
            "UPDATE interaction_counts SET likes = likes + $2, version = version + 1
             WHERE station = $1"
        }
        InteractionKind::Favourite => {
            "UPDATE interaction_counts SET favourites = favourites + $2, version = version + 1
             WHERE station = $1"
        }
        InteractionKind::Follow => {
            "UPDATE interaction_counts SET followers = followers + $2, version = version + 1
             WHERE station = $1"
        }
        InteractionKind::Share => {
            "UPDATE interaction_counts SET shares = shares + $2, version = version + 1
             WHERE station = $1"
        }
    };
    let change = if job.on { 1 } else { -1_i64 };
    tx.execute(sql, &[job.station.as_str().into(), change.into()])
        .await?;
    Ok(())
}

/// Counts are absolute, so that only the latest matters.
fn tell(tx: &mut Tx, room: &str, counts: &InteractionCounts) {
    let data =
        serde_json::value::to_raw_value(counts).expect("wire types have string keys and serialize");
    tx.then(Effect::Volatile {
        channel: room.into(),
        key: "interactions".into(),
        frame: super::tx::encode(&format!("room:{room}"), None, "interactions", data),
    });
}

async fn counts(
    connection: &mut Connection,
    station: &StationId,
) -> Result<InteractionCounts, StoreError> {
    let row = connection
        .row(
            "SELECT likes, favourites, followers, shares, version FROM interaction_counts
             WHERE station = $1",
            &[station.as_str().into()],
        )
        .await?;
    let number = |column| row.as_ref().map_or(Ok(0), |row| row.count(column));
    Ok(InteractionCounts {
        station: station.clone(),
        likes: number("likes")?,
        favourites: number("favourites")?,
        followers: number("followers")?,
        shares: number("shares")?,
        version: number("version")?,
    })
}

/// All counts of a station, and what whoever asks did.
pub(crate) async fn read(
    connection: &mut Connection,
    asking: &Asking,
    station: &StationId,
) -> Result<InteractionsResult, Fail> {
    let rows = connection
        .rows(
            "SELECT kind FROM interactions WHERE station = $1 AND sub = $2 ORDER BY kind",
            &[station.as_str().into(), asking.caller.sub().into()],
        )
        .await?;
    let mine = rows.iter().map(|row| Ok(kind_of(&row.text("kind")?)));
    let mine = mine.collect::<Result<Vec<_>, StoreError>>()?;
    Ok(InteractionsResult {
        counts: counts(connection, station).await?,
        mine,
    })
}

/// The stations whoever asks keeps and follows, at most 500 of each.
pub(crate) async fn favourites(
    connection: &mut Connection,
    sub: &str,
) -> Result<FavouritesResult, StoreError> {
    let mut lists = Vec::new();
    for kind in ["favourite", "follow"] {
        let rows = connection
            .rows(
                "SELECT station FROM interactions WHERE sub = $1 AND kind = $2
                 ORDER BY station LIMIT 500",
                &[sub.into(), kind.into()],
            )
            .await?;
        let mut stations = Vec::new();
        for row in rows {
            if let Ok(station) = row.text("station")?.parse() {
                stations.push(station);
            }
        }
        lists.push(stations);
    }
    let follows = lists.pop().unwrap_or_default();
    let favourites = lists.pop().unwrap_or_default();
    Ok(FavouritesResult {
        favourites,
        follows,
    })
}
