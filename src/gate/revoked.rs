//! Tokens that are not to be trusted any more, by the id of the token or of its user.

use std::collections::HashSet;

use super::keys::read;
use crate::config::Auth;
use crate::exit::BadArguments;

/// What the bearer of a revoked token is told.
pub(super) const REASON: &str = "the token was revoked";

/// What the file of revoked tokens says: a line `jti ID` or `sub USER` each; what
/// follows a `#` at a line's beginning is for people.
#[derive(Debug, Default)]
pub(super) struct Revoked {
    tokens: HashSet<String>,
    users: HashSet<String>,
}

impl Revoked {
    pub(super) fn read(auth: &Auth) -> Result<Self, BadArguments> {
        match &auth.revoked_file {
            Some(path) => Self::parse(&read(path, "auth.revoked_file")?),
            None => Ok(Self::default()),
        }
    }

    fn parse(text: &str) -> Result<Self, BadArguments> {
        let mut revoked = Self::default();
        let lines = text.lines().map(str::trim).enumerate();
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let (list, id) = match line.split_once(' ') {
                Some(("jti", id)) => (&mut revoked.tokens, id),
                Some(("sub", id)) => (&mut revoked.users, id),
                _ => {
                    let why = "neither 'jti ID' nor 'sub USER'";
                    let message = format!("auth.revoked_file, line {}: {why}", number + 1);
                    return Err(BadArguments(message));
                }
            };
            list.insert(id.trim().to_owned());
        }
        Ok(revoked)
    }

    pub(super) fn holds(&self, sub: &str, token_id: Option<&str>) -> bool {
        self.users.contains(sub) || token_id.is_some_and(|id| self.tokens.contains(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_revoked_by_their_id_or_their_user() {
        let revoked = Revoked::parse("# lost\njti abc\n\nsub ann of the sea\n").unwrap();
        assert!(revoked.holds("bob", Some("abc")) && revoked.holds("ann of the sea", None));
        assert!(!revoked.holds("ann", Some("ab")) && !revoked.holds("abc", None));
        let error = Revoked::parse("jti a\nabc").err().unwrap().to_string();
        assert!(error.contains("line 2"), "{error}");
    }
}
