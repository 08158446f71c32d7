//! `skywave token`: prints a token.

use anyhow::Context;
use signaling::token::{Grants, Order};

use crate::cli::{ServeArgs, TokenArgs};
use crate::config::Settings;
use crate::exit::BadArguments;
use crate::gate;

pub(crate) fn run(args: &TokenArgs) -> anyhow::Result<()> {
    let serve = ServeArgs {
        config: args.config.clone(),
        ..ServeArgs::default()
    };
    let settings = Settings::load(&serve)?;
    let mint = gate::mint(&settings).context("cannot make tokens")?;
    let order = Order {
        sub: args.sub.clone(),
        name: args.name.clone(),
        grants: Grants {
            publish: args.publish.clone(),
            moderate: args.moderate.clone(),
            admin: args.admin,
        },
        ttl: args.ttl,
    };
    let token = mint
        .mint(order)
        .map_err(|error| BadArguments(error.to_string()))?;
    println!("{token}");
    Ok(())
}
