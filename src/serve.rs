//! `skywave serve`: the parts put together.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use relay::{CancellationToken, Relay};

use crate::autodj::AutoDj;
use crate::cli::ServeArgs;
use crate::config::Settings;
use crate::demo::Demo;
use crate::gate::Gate;
use crate::signals::Stop;
use crate::{api, logging, site};

pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let settings = Settings::load(args)?;
    logging::start(settings.log.format, &settings.log.filter)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    runtime.block_on(serve(settings))
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    std::fs::create_dir_all(&settings.data_dir)
        .with_context(|| format!("data_dir = {}", settings.data_dir.display()))?;
    let service = signaling::Service::start(&settings.service()?).await;
    let service = Arc::new(service.context("database_url")?);
    let (gate, started) = Gate::new(&settings, service)?;
    let relay = Relay::bind(settings.relay(), Arc::clone(&gate) as _).await?;
    let shutdown = CancellationToken::new();
    // They end with this function, however it ends.
    let mut helpers = tokio::task::JoinSet::new();
    helpers.spawn(Arc::clone(&gate).follow_key_files());
    helpers.spawn(Arc::clone(&gate).follow_stations(started));
    helpers.spawn(stop_on_signal(shutdown.clone()));
    // Before anybody can connect, so that nobody takes the station first.
    let demo = settings.demo.then(|| Demo::start(&relay.handle()));
    let _demo = demo.transpose()?;
    let playlists = AutoDj::start(&settings, &relay.handle()).context("the playlists")?;
    let secure = settings.tls.certificate.is_some();
    announce(&relay, secure);
    let api = api::start(&settings, &gate, playlists.programs())?;
    helpers.spawn(api.sweeping);
    let site = relay::Site {
        router: site::router().merge(api.router),
        paths: api::described(),
    };
    relay.run(site, shutdown).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Tells where the server is; tests and people read it.
fn announce(relay: &Relay, secure: bool) {
    let scheme = if secure { "https" } else { "http" };
    let http = relay.http_addr();
    let quic = relay.quic_addr().map(|address| address.to_string());
    let quic = quic.unwrap_or_else(|| "off".into());
    let icecast = relay.icecast_addr().map(|address| address.to_string());
    let icecast = icecast.unwrap_or_else(|| "off".into());
    tracing::info!(%http, quic, icecast, "serving at {scheme}://{}", visible(http));
    if !site::is_built() {
        tracing::info!("the site is not built: `make run` builds it");
    }
}

/// An address as a browser on this machine reaches it.
fn visible(address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) | IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            format!("localhost:{}", address.port())
        }
        _ => address.to_string(),
    }
}

/// The first signal begins to shut down, the second ends the program at once.
async fn stop_on_signal(shutdown: CancellationToken) {
    let mut stop = Stop::listen();
    stop.asked().await;
    tracing::info!("shutting down; once more to stop at once");
    shutdown.cancel();
    stop.asked().await;
    std::process::exit(1);
}
