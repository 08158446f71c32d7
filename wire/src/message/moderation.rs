//! Keeping rooms fit to be in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Parameters of `mute` and `ban`. Without a channel it holds everywhere, and
/// asks for an administrator.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SanctionParams {
    /// The room's channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Which addresses, as `192.0.2.0/24` or `2001:db8::/32`; administrators only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// For how long, in seconds; without it, until it is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<u64>,
    /// Why, at most 512 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a sanction takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SanctionKind {
    /// Writing.
    Mute,
    /// Writing and reading.
    Ban,
}

/// A sanction in force: result of `mute` and `ban`, entry of `sanctions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sanction {
    /// The sanction's number.
    pub id: u64,
    /// What it takes away.
    pub kind: SanctionKind,
    /// Where; none is everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Whose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// From which addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who imposed it.
    pub by: String,
    /// When, in microseconds since the Unix epoch.
    pub at: u64,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// Parameters of `lift`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LiftParams {
    /// The sanction.
    pub id: u64,
}

/// Parameters of `sanctions`, `reports` and `audit`: newest first. Without a
/// channel it is about all, for administrators.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LogParams {
    /// The room's channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Only those with a smaller `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Entries per page, at most 50, the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Result of `sanctions`: those in force.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SanctionsResult {
    /// Newest first.
    pub sanctions: Vec<Sanction>,
    /// What the users named in it are called, by sub, as far as they have names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
}

/// Parameters of `set_words`, result of `words`: a message that holds one of
/// these words is refused.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Words {
    /// The room's channel; none is everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// At most 500 words of at most 64 characters; case and accents do not matter.
    #[serde(default)]
    pub words: Vec<String>,
}

/// Parameters of `report`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReportParams {
    /// The message's channel.
    pub channel: String,
    /// The message.
    pub seq: u64,
    /// What is wrong with it, at most 512 characters.
    pub reason: String,
}

/// A report that waits for a moderator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The report's number.
    pub id: u64,
    /// Where the message is.
    pub channel: String,
    /// The message.
    pub seq: u64,
    /// Who wrote it.
    pub author: String,
    /// What it said when it was reported.
    pub text: String,
    /// Who reports it.
    pub by: String,
    /// What is wrong with it.
    pub reason: String,
    /// When, in microseconds since the Unix epoch.
    pub at: u64,
}

/// Result of `reports`: the open ones.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReportsResult {
    /// Newest first.
    pub reports: Vec<Report>,
    /// What the users named in it are called, by sub, as far as they have names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
}

/// Parameters of `resolve_report`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResolveReportParams {
    /// The report.
    pub id: u64,
    /// Whether to delete the message, too.
    #[serde(default)]
    pub delete: bool,
}

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// The entry's number.
    pub id: u64,
    /// When, in microseconds since the Unix epoch.
    pub at: u64,
    /// Who did it.
    pub by: String,
    /// The method.
    pub action: String,
    /// Where; none is everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// To whom or what.
    pub subject: String,
}

/// Result of `audit`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuditResult {
    /// Newest first.
    pub entries: Vec<AuditEntry>,
    /// What the users named in it are called, by sub, as far as they have names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
}
