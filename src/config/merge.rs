//! One set of settings from a file and the environment.

use toml::{Table, Value};

use super::Settings;
use crate::exit::BadArguments;

/// What the variables of our own begin with.
const PREFIX: &str = "SKYWAVE_";

/// Variables that are no settings: the command line reads them.
const OTHERS: [&str; 3] = ["SKYWAVE_CONFIG", "SKYWAVE_SERVER", "SKYWAVE_TOKEN"];

/// How a setting's text becomes a value.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Switch,
    /// Separated by commas.
    Texts,
}

/// Every setting a variable can hold: its section (none for the top), its name, its kind.
/// `SKYWAVE_HTTP_ADDR` is `addr` in `[http]`.
const KEYS: [(&str, &str, Kind); 49] = [
    ("", "data_dir", Kind::Text),
    ("", "database_url", Kind::Text),
    ("", "demo", Kind::Switch),
    ("http", "addr", Kind::Text),
    ("http", "burst", Kind::Text),
    ("quic", "addr", Kind::Text),
    ("tls", "certificate", Kind::Text),
    ("tls", "key", Kind::Text),
    ("tls", "names", Kind::Texts),
    ("auth", "secret", Kind::Text),
    ("auth", "secret_file", Kind::Text),
    ("auth", "public_key_file", Kind::Text),
    ("auth", "jwks_file", Kind::Text),
    ("auth", "issuer", Kind::Text),
    ("auth", "audience", Kind::Text),
    ("auth", "revoked_file", Kind::Text),
    ("auth", "guests", Kind::Switch),
    ("rewind", "minutes", Kind::Number),
    ("rewind", "bytes", Kind::Number),
    ("recording", "folder", Kind::Text),
    ("recording", "stations", Kind::Texts),
    ("recording", "cut", Kind::Text),
    ("recording", "keep_days", Kind::Number),
    ("recording", "keep_bytes", Kind::Number),
    ("icecast", "addr", Kind::Text),
    ("icecast", "source_password", Kind::Text),
    ("icecast", "shoutcast_station", Kind::Text),
    ("limits", "sessions", Kind::Number),
    ("limits", "connections", Kind::Number),
    ("limits", "handshakes", Kind::Number),
    ("limits", "stations", Kind::Number),
    ("limits", "renditions", Kind::Number),
    ("limits", "sources", Kind::Number),
    ("rates", "write", Kind::Text),
    ("rates", "touch", Kind::Text),
    ("rates", "typing", Kind::Text),
    ("rates", "read", Kind::Text),
    ("rates", "manage", Kind::Text),
    ("rates", "subscribe", Kind::Text),
    ("rates", "guest", Kind::Text),
    ("retention", "events", Kind::Text),
    ("retention", "messages", Kind::Text),
    ("retention", "notifications", Kind::Text),
    ("push", "contact", Kind::Text),
    ("push", "key_file", Kind::Text),
    ("push", "always", Kind::Switch),
    ("push", "any_endpoint", Kind::Switch),
    ("log", "format", Kind::Text),
    ("log", "filter", Kind::Text),
];

/// The defaults, overlaid with the file's text, overlaid with the environment.
pub(super) fn merge(
    file: Option<&str>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Settings, BadArguments> {
    let file = file.unwrap_or_default();
    // Read for itself first: its errors tell line, column and key.
    toml::from_str::<Settings>(file)
        .map_err(|error| BadArguments(format!("the configuration file: {error}")))?;
    let mut table: Table = toml::from_str(file).expect("it was read as settings above");
    let mut variables: Vec<_> = environment
        .into_iter()
        .filter(|(name, _)| name.starts_with(PREFIX) && !OTHERS.contains(&name.as_str()))
        .collect();
    variables.sort();
    for (name, text) in variables {
        overlay(&mut table, &name, &text)?;
    }
    Settings::try_from_table(table)
}

impl Settings {
    fn try_from_table(table: Table) -> Result<Self, BadArguments> {
        let settings = Value::Table(table).try_into();
        settings.map_err(|error| BadArguments(format!("the settings: {error}")))
    }
}

/// Sets what one variable says, and checks it at once so that an error can name it.
fn overlay(table: &mut Table, name: &str, text: &str) -> Result<(), BadArguments> {
    let bad = |why: &str| BadArguments(format!("{name}: {why}"));
    let known = KEYS
        .iter()
        .find(|(section, key, _)| variable(section, key) == name);
    let (section, key, kind) = known.ok_or_else(|| bad("no such setting"))?;
    let value = match kind {
        Kind::Text => Value::String(text.to_owned()),
        Kind::Texts => {
            let parts = text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty());
            parts
                .map(|part| Value::String(part.to_owned()))
                .collect::<Vec<_>>()
                .into()
        }
        Kind::Number => Value::Integer(text.parse().map_err(|_| bad("not a number"))?),
        Kind::Switch => match text {
            "1" | "true" => Value::Boolean(true),
            "0" | "false" | "" => Value::Boolean(false),
            _ => return Err(bad("neither true nor false")),
        },
    };
    let place = match *section {
        "" => &mut *table,
        section => table
            .entry(section)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .expect("sections were read as tables"),
    };
    place.insert((*key).to_owned(), value);
    let settings = Settings::try_from_table(table.clone());
    settings.map(drop).map_err(|error| bad(&error.to_string()))
}

fn variable(section: &str, key: &str) -> String {
    let parts = [section, key].into_iter().filter(|part| !part.is_empty());
    let parts: Vec<_> = parts.map(str::to_uppercase).collect();
    format!("{PREFIX}{}", parts.join("_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Settings, BadArguments> {
        let file = "data_dir = 'from-file'\n[limits]\nsessions = 7\nstations = 8\n";
        let pairs = variables
            .iter()
            .map(|(name, text)| ((*name).into(), (*text).into()));
        merge(Some(file), pairs)
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let settings = with(&[
            ("SKYWAVE_LIMITS_SESSIONS", "9"),
            ("SKYWAVE_HTTP_ADDR", "127.0.0.1:99"),
            ("SKYWAVE_TLS_NAMES", "a.example, b.example"),
            ("SKYWAVE_DEMO", "true"),
            ("SKYWAVE_TOKEN", "ey.."),
            ("PATH", "/bin"),
        ])
        .unwrap();
        assert_eq!((settings.limits.sessions, settings.limits.stations), (9, 8));
        assert_eq!(settings.http.addr.port(), 99);
        assert_eq!(settings.tls.names, ["a.example", "b.example"]);
        assert!(settings.demo);
        assert_eq!(settings.data_dir, std::path::Path::new("from-file"));
    }

    #[test]
    fn wrong_variables_are_named() {
        for (name, text) in [
            ("SKYWAVE_HTPP_ADDR", "[::]:80"),
            ("SKYWAVE_HTTP_ADDR", "somewhere"),
            ("SKYWAVE_LIMITS_SESSIONS", "many"),
            ("SKYWAVE_LIMITS_SESSIONS", "-1"),
            ("SKYWAVE_DEMO", "maybe"),
            ("SKYWAVE_LOG_FORMAT", "xml"),
        ] {
            let error = with(&[(name, text)]).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }

    #[test]
    fn wrong_keys_in_the_file_are_named() {
        for (file, named) in [
            ("colour = 'red'", "colour"),
            ("[http]\nadress = '[::]:80'", "adress"),
            ("[http]\naddr = 'somewhere'", "addr"),
            ("[limits]\nsessions = 'many'", "sessions"),
            ("[[stations]]\nid = 'No Station'", "id"),
            ("[[stations]]\nname = 'x'", "id"),
        ] {
            let error = merge(Some(file), []).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn every_setting_but_lists_of_tables_has_its_variable() {
        let sample = Settings {
            tls: super::super::Tls {
                certificate: Some("a".into()),
                key: Some("b".into()),
                names: vec![],
            },
            auth: toml::from_str(
                "secret='a'\nsecret_file='a'\npublic_key_file='a'\njwks_file='a'\nissuer='a'\naudience='a'\nrevoked_file='a'",
            )
            .unwrap(),
            database_url: Some("sqlite:a".to_owned().try_into().unwrap()),
            recording: toml::from_str("folder='a'").unwrap(),
            push: toml::from_str("contact='mailto:a'\nkey_file='a'").unwrap(),
            icecast: toml::from_str("source_password='a'\nshoutcast_station='a'").unwrap(),
            ..Settings::default()
        };
        let table = Table::try_from(&sample).unwrap();
        let mut names = Vec::new();
        for (key, value) in &table {
            match value {
                Value::Table(section) => {
                    names.extend(section.keys().map(|inner| variable(key, inner)));
                }
                Value::Array(_) => assert!(key == "stations" || key == "webhooks"),
                _ => names.push(variable("", key)),
            }
        }
        names.sort();
        let mut known: Vec<_> = KEYS
            .iter()
            .map(|(section, key, _)| variable(section, key))
            .collect();
        known.sort();
        assert_eq!(names, known);
    }
}
