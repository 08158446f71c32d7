use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use wire::frame::{Batch, Push};

use super::*;
use crate::gate::PushClass;
use crate::metrics::Metrics;
use crate::session::outbox::Frame;
use crate::station::Lane;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The two ends of a WebSocket without a session, and the relay's line.
async fn pair() -> (WebSocket, Arc<Line>, WebSocketStream<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let tcp = accepted.unwrap().0;
    SockRef::from(&tcp).set_send_buffer_size(4_096).unwrap();
    let (socket, line) = layered(Socket::new(tcp, None, None), Bytes::new()).await;
    let client = WebSocketStream::from_raw_socket(client.unwrap(), Role::Client, None).await;
    (socket, line, client)
}

/// A session's side of a transport that hears nothing.
fn port(line: &Arc<Line>) -> Port {
    let outbox = Arc::<Outbox>::default();
    let sink = Box::new(LineSink(Arc::clone(line)));
    let listener = Listener::new(sink, Arc::clone(line.tuned()));
    let metrics = Arc::<Metrics>::default();
    Port {
        frames: mpsc::channel(1).0,
        ingress: Ingress::new(listener, Arc::clone(&outbox), metrics, Now::read()),
        outbox,
    }
}

#[tokio::test]
async fn who_does_not_read_is_told_so_by_the_close_code() {
    let (socket, line, mut client) = pair().await;
    let port = port(&line);
    let outbox = Arc::clone(&port.outbox);
    let text = "x".repeat(60_000);
    for _ in 0..200 {
        let push = Push::new("room", "text", &text);
        let frame = Frame::shared(Batch::one(&push.encode()), PushClass::Durable);
        outbox.push(Lane::Control, frame);
    }
    let session = async {
        let end = outbox.distress().await;
        // A session takes its time to end: others are told, what it had is given back.
        tokio::time::sleep(Duration::from_millis(100)).await;
        outbox.finish(bye(&end));
        loop {
            if let Message::Close(frame) = client.next().await.unwrap().unwrap() {
                return frame.unwrap().code;
            }
        }
    };
    let write = Duration::from_millis(100);
    let carried = carry(Carried::new(socket, port, line, write));
    let both = async { tokio::join!(carried, session) };
    let ((), code) = timeout(PATIENCE, both).await.expect("it is closed");
    assert_eq!(u16::from(code), CloseCode::SlowConsumer.websocket());
}
