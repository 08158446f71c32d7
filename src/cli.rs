//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use client::{Prefer, Transport};
use media::encoder::Frame;
use media::receiver::{Profile, Repair};
use wire::StationId;

use crate::config::{Listen, LogFormat};
use crate::exit;

pub(crate) mod value;

/// Live radio with no delay: server, source and listener in one program.
#[derive(Debug, Parser)]
#[command(name = "skywave", version, args_conflicts_with_subcommands = true)]
#[command(after_long_help = concat!("Without a command it serves.\n\n", "\
Examples:
  skywave serve --demo
      Serve at http://localhost:8080 with a demo station on air.
  skywave publish --server http://localhost:8080 --station jazz \\
      --token \"$(skywave token --sub me --publish jazz)\" music.flac
      Put a file on air.
  skywave listen --server http://localhost:8080 --station jazz --duration 10s --output jazz.wav
      Record ten seconds of it."))]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(ServeArgs),
    Token(TokenArgs),
    Publish(Box<PublishArgs>),
    Listen(Box<ListenArgs>),
    /// Hash an encoder's password, read from stdin, for the settings
    HashPassword,
    CheckConfig(CheckArgs),
}

/// Where the configuration comes from, for every command that needs it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ConfigArgs {
    /// Configuration file [default: skywave.toml, if it is there]
    #[arg(long, value_name = "FILE", env = "SKYWAVE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Folder for what the server keeps: its certificate and key [default: data]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data_dir: Option<PathBuf>,
}

/// Serve: relay, site and API
///
/// Settings come from the defaults, then skywave.toml, then SKYWAVE_... variables (say
/// SKYWAVE_HTTP_ADDR for `addr` in `[http]`), then flags; `skywave check-config` shows
/// what comes of it. SIGTERM and SIGINT end it gracefully: sessions are told, then drained.
#[derive(Debug, Clone, Default, Args)]
#[command(after_long_help = "\
Examples:
  skywave serve --demo
  skywave serve --config /etc/skywave.toml --data-dir /var/lib/skywave
  skywave serve --http 127.0.0.1:8080 --quic 127.0.0.1:4433")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// TCP address of site, API and WebSocket (default `[::]:8080`, IPv4 included)
    #[arg(long, value_name = "ADDR")]
    pub(crate) http: Option<std::net::SocketAddr>,
    /// UDP address of WebTransport, or `off` (default `[::]:4433`, IPv4 included)
    #[arg(long, value_name = "ADDR")]
    pub(crate) quic: Option<Listen>,
    /// Put the station `demo` on air, with music made by the program itself
    #[arg(long)]
    pub(crate) demo: bool,
    /// Logs for people or for machines [default: human]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// What to log, for example `debug` or `warn,skywave_relay=debug` [default: info]
    #[arg(long, value_name = "FILTER")]
    pub(crate) log_filter: Option<String>,
}

/// Check the configuration and show what comes of it, without secrets
#[derive(Debug, Args)]
#[command(after_long_help = exit::HELP)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

/// Make a token and print it
///
/// It is signed with the configured secret or, without one, with the key in the data
/// folder that the server uses too; it is made when it is not there.
#[derive(Debug, Args)]
#[command(after_long_help = concat!("\
Examples:
  skywave token --sub alice --name Alice --publish jazz --ttl 12h
  skywave token --sub boss --admin
  skywave token --sub dj --publish '*'

"))]
pub(crate) struct TokenArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// The user's id
    #[arg(long, value_name = "ID")]
    pub(crate) sub: String,
    /// The name to show
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Allow to be the source of this station; `*` is every station. May be repeated
    #[arg(long, value_name = "STATION")]
    pub(crate) publish: Vec<String>,
    /// Allow to moderate this station; `*` is every station. May be repeated
    #[arg(long, value_name = "STATION")]
    pub(crate) moderate: Vec<String>,
    /// Allow everything
    #[arg(long)]
    pub(crate) admin: bool,
    /// How long it holds: 90s, 30m, 12h, 7d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = value::duration)]
    pub(crate) ttl: Duration,
}

/// How a client reaches the server.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// The server: http://HOST:PORT or https://HOST
    #[arg(long, value_name = "URL", env = "SKYWAVE_SERVER")]
    pub(crate) server: String,
    /// The station's id
    #[arg(long, value_name = "ID")]
    pub(crate) station: StationId,
    /// Which transport to use
    #[arg(long, value_name = "TRANSPORT", default_value = "auto")]
    pub(crate) transport: TransportArg,
    /// End when a lost connection stays lost for so long [default: never]
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    pub(crate) give_up_after: Option<Duration>,
    /// Say nothing but errors
    #[arg(long, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// Progress as one JSON object a second on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum TransportArg {
    /// WebTransport, or WebSocket when that does not work soon
    Auto,
    Webtransport,
    Websocket,
}

impl TransportArg {
    pub(crate) fn prefer(self) -> Prefer {
        match self {
            Self::Auto => Prefer::Auto,
            Self::Webtransport => Prefer::Only(Transport::WebTransport),
            Self::Websocket => Prefer::Only(Transport::WebSocket),
        }
    }
}

/// Put audio on air
///
/// Plays files, or standard input as `-`, in real time: MP3, AAC, M4A, FLAC, Ogg Vorbis,
/// Ogg Opus and WAV. Tags in the files are told to the listeners when their sound plays.
/// A lost connection is sought anew by itself. Ctrl-C takes the station off air.
#[derive(Debug, Args)]
#[command(after_long_help = concat!("\
Examples:
  skywave publish --server http://localhost:8080 --station jazz --token \"$TOKEN\" a.flac b.mp3
  skywave publish --server https://radio.example --station jazz --token \"$TOKEN\" --loop night.ogg
  ffmpeg -i http://example/live -f wav - | skywave publish --server http://localhost:8080 \\
      --station live --token \"$TOKEN\" --title Live -

", "Exit codes:
  0  done, or ended with Ctrl-C
  2  bad arguments or no audio in the file
  3  refused by the server
  4  server unreachable
  5  cut off, for example because another source took over"))]
pub(crate) struct PublishArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// The token; better in SKYWAVE_TOKEN, where other users of the machine cannot see it
    #[arg(
        long,
        value_name = "JWT",
        env = "SKYWAVE_TOKEN",
        hide_env_values = true
    )]
    pub(crate) token: String,
    /// Bits per second: 64k, 128k, 96000; 6k to 510k
    #[arg(long, value_name = "BITRATE", default_value = "128k", value_parser = value::bitrate)]
    pub(crate) bitrate: u32,
    /// Duration of a packet: 2.5ms, 5ms, 10ms, 20ms, 40ms or 60ms
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = value::frame)]
    pub(crate) frame: Frame,
    /// 1 or 2 channels [default: as the first file has, 2 when it has more]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(1..=2))]
    pub(crate) channels: Option<u8>,
    /// The encoder's effort: 0 to 10
    #[arg(long, default_value = "10", value_parser = clap::value_parser!(u8).range(0..=10))]
    pub(crate) complexity: u8,
    /// The station's name for people
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// A sentence about the station
    #[arg(long)]
    pub(crate) description: Option<String>,
    /// What plays, instead of the files' tags
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// Who performs, instead of the files' tags
    #[arg(long)]
    pub(crate) artist: Option<String>,
    /// Take over when another source is on air
    #[arg(long)]
    pub(crate) takeover: bool,
    /// Begin again at the end
    #[arg(long = "loop")]
    pub(crate) repeat: bool,
    /// Audio files, played one after the other; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// Hear a station: record it, measure it
///
/// Writes what a player would play, 48 kHz stereo, from the first sound on. A lost
/// connection is sought anew by itself, and what is missing is silence. Ctrl-C ends it properly.
#[derive(Debug, Args)]
#[command(after_long_help = concat!("\
Examples:
  skywave listen --server http://localhost:8080 --station demo --duration 10s --output demo.wav
  skywave listen --server http://localhost:8080 --station demo --rendition low --stats stats.json
  skywave listen --server http://localhost:8080 --station demo --output - | aplay
  skywave listen --server http://localhost:8080 --station demo --rewind 5m

", "Exit codes:
  0  done, or ended with Ctrl-C
  2  bad arguments
  3  refused by the server, for example because there is no such station
  4  server unreachable
  5  cut off"))]
pub(crate) struct ListenArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// A token, where listening needs one
    #[arg(
        long,
        value_name = "JWT",
        env = "SKYWAVE_TOKEN",
        hide_env_values = true
    )]
    pub(crate) token: Option<String>,
    /// The rendition: source, high, medium, low, or auto, which moves between them
    #[arg(long, default_value = "source")]
    pub(crate) rendition: String,
    /// Begin so far back, as far as the server keeps [default: live]
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    pub(crate) rewind: Option<Duration>,
    /// End after so long [default: never]
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    pub(crate) duration: Option<Duration>,
    /// Delay to begin with; it adapts to the network
    #[arg(long, value_name = "TIME", default_value = "80ms", value_parser = value::duration)]
    pub(crate) start_delay: Duration,
    /// Less delay or fewer faults
    #[arg(long, value_enum, default_value_t = LatencyArg::Live)]
    pub(crate) latency: LatencyArg,
    /// How many bytes repair of lost packets may cost
    #[arg(long, value_enum, default_value_t = RepairArg::Auto)]
    pub(crate) repair: RepairArg,
    /// How many packets share a datagram, 1 to 4: fewer datagrams, more delay. `auto` takes as
    /// many as the latency allows, which for `interactive` is one
    #[arg(long, value_name = "PACKETS", default_value = "1", value_parser = value::bundle)]
    pub(crate) bundle: value::Bundle,
    /// WAV file to write; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// JSON file to write at the end: packets, lost, late, delays, what was told when
    #[arg(long, value_name = "FILE")]
    pub(crate) stats: Option<PathBuf>,
}

/// See [`Profile`].
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum LatencyArg {
    /// The smallest delay that holds
    Interactive,
    /// Balanced
    Live,
    /// Smooth above all
    Safe,
}

impl LatencyArg {
    pub(crate) fn profile(self) -> Profile {
        match self {
            Self::Interactive => Profile::Interactive,
            Self::Live => Profile::Live,
            Self::Safe => Profile::Safe,
        }
    }
}

/// See [`Repair`].
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum RepairArg {
    /// Nothing: what is lost is concealed
    Off,
    /// At most 1.15 times the stream's bytes
    Economy,
    /// At most 1.6 times
    Auto,
    /// At most 3 times
    Robust,
}

impl RepairArg {
    pub(crate) fn repair(self) -> Option<Repair> {
        match self {
            Self::Off => None,
            Self::Economy => Some(Repair::Economy),
            Self::Auto => Some(Repair::Auto),
            Self::Robust => Some(Repair::Robust),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serving_is_the_default() {
        let cli = Cli::try_parse_from(["skywave", "--demo", "--quic", "off"]).unwrap();
        assert!(cli.command.is_none() && cli.serve.demo);
        assert_eq!(cli.serve.quic, Some(Listen::Off));
        let cli = Cli::try_parse_from(["skywave"]).unwrap();
        assert!(cli.command.is_none() && !cli.serve.demo);
    }

    #[test]
    fn every_command_tells_examples_and_codes() {
        for name in ["serve", "token", "publish", "listen", "check-config"] {
            let mut command = Cli::command();
            let help = command
                .find_subcommand_mut(name)
                .unwrap()
                .render_long_help();
            let help = help.to_string();
            assert!(
                help.contains("Exit codes:") || help.contains("Examples:"),
                "{help}"
            );
        }
    }
}
