//! Who is told what happens to stations.

use relay::config::WebhookEvent;
use serde::{Deserialize, Serialize};

use super::Secret;
use crate::exit::BadArguments;

/// The fewest characters of a secret: what is shorter can be guessed.
const SECRET_CHARS_MIN: usize = 16;

/// A server that is told by signed HTTP requests.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Webhook {
    /// Where requests go. It may hold a secret itself, so errors do not show it.
    url: Secret,
    /// What requests are signed with.
    secret: Secret,
    /// What it is told; none means everything.
    #[serde(default)]
    events: Vec<WebhookEvent>,
}

impl Webhook {
    /// What serde cannot see.
    pub(super) fn check(&self) -> Result<(), BadArguments> {
        let bad = |text: &str| Err(BadArguments(format!("webhooks: {text}")));
        let uri = self.url.expose().parse::<axum::http::Uri>();
        let uri = uri.ok().filter(|uri| uri.host().is_some());
        if !uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https"))) {
            return bad("a url is no http: or https: URL");
        }
        if self.secret.expose().chars().count() < SECRET_CHARS_MIN {
            return bad(&format!(
                "a secret has at least {SECRET_CHARS_MIN} characters"
            ));
        }
        Ok(())
    }

    /// The same as the relay takes it.
    pub(super) fn relay(&self) -> relay::config::Webhook {
        relay::config::Webhook {
            url: self.url.expose().parse().unwrap_or_default(),
            secret: self.secret.expose().to_owned().into(),
            events: self.events.clone(),
        }
    }
}
