//! socketioxide with one room: what a member sends goes to all of them.

use ::socketioxide::SocketIo;
use ::socketioxide::extract::{Data, SocketRef};

pub(crate) async fn run() -> anyhow::Result<()> {
    let (layer, io) = SocketIo::new_layer();
    io.ns("/", async |socket: SocketRef| {
        socket.join("bench");
        socket.on("send", async |io: SocketIo, Data::<String>(text)| {
            // Who cannot be reached is no concern of the others.
            let _ = io.to("bench").emit("message", &text).await;
        });
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let serving = axum::serve(listener, axum::Router::new().layer(layer));
    tokio::select! {
        served = serving => Ok(served?),
        // It ends with whoever started it.
        () = async { let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await; } => Ok(()),
    }
}
