//! What listeners think of a station.

use serde::{Deserialize, Serialize};

use crate::StationId;

/// What one may do with a station besides listening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InteractionKind {
    /// Say that it is good.
    Like,
    /// Keep it.
    Favourite,
    /// Be told when it goes on air.
    Follow,
    /// Say that one passed it on; cannot be taken back.
    Share,
}

/// Parameters of `interact`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InteractParams {
    /// The station.
    pub station: StationId,
    /// What.
    pub kind: InteractionKind,
    /// Whether to do it or to take it back.
    pub on: bool,
}

/// Parameters of `interactions`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InteractionsParams {
    /// The station.
    pub station: StationId,
}

/// How many users did what: data of the push `interactions` of the station's room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InteractionCounts {
    /// The station.
    pub station: StationId,
    /// Likes.
    pub likes: u64,
    /// Favourites.
    pub favourites: u64,
    /// Followers.
    pub followers: u64,
    /// Shares.
    pub shares: u64,
    /// Rises with every change; apply only what is above the one known.
    pub version: u64,
}

/// Result of `interact` and `interactions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InteractionsResult {
    /// How many.
    #[serde(flatten)]
    pub counts: InteractionCounts,
    /// What one did oneself.
    pub mine: Vec<InteractionKind>,
}

/// Result of `favourites`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FavouritesResult {
    /// The stations one keeps, by id.
    pub favourites: Vec<StationId>,
    /// The stations one follows, by id.
    pub follows: Vec<StationId>,
}
