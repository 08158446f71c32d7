use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::time::timeout;
use wire::code::CloseCode;
use wire::frame::{Batch, Push};
use wire::message::Bye;

use super::*;
use crate::gate::PushClass;
use crate::session::outbox::Frame;
use crate::station::Lane;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A line, and the other end of its connection.
async fn pair() -> (Arc<Line>, Arc<Outbox>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let line = Line::new(Socket::new(accepted.unwrap().0, None, None));
    (line, Arc::default(), client.unwrap())
}

fn told(number: usize) -> Frame {
    let json = Push::new("room", "number", &number).encode();
    Frame::shared(Batch::one(&json), PushClass::Durable)
}

/// The text of the next frame, which is short.
async fn text(client: &mut TcpStream) -> String {
    let reading = async {
        let mut header = [0; 2];
        client.read_exact(&mut header).await.unwrap();
        assert_eq!(header[0], 0x81, "a whole text");
        let mut text = vec![0; usize::from(header[1])];
        client.read_exact(&mut text).await.unwrap();
        String::from_utf8(text).unwrap()
    };
    timeout(PATIENCE, reading)
        .await
        .expect("a frame is not forgotten")
}

async fn number(client: &mut TcpStream) -> usize {
    let push: Push = serde_json::from_str(&text(client).await).unwrap();
    serde_json::from_str(push.data.get()).unwrap()
}

#[tokio::test]
async fn what_a_session_is_told_comes_in_order_whether_it_waits_for_more_or_not() {
    let (line, outbox, mut client) = pair().await;
    // Before the session has a line, at once after it, in bursts and one by one.
    outbox.push(Lane::Control, told(0));
    line.tell(&outbox);
    let mut next = 1;
    for burst in 0..60 {
        for _ in 0..burst % 20 {
            outbox.push(Lane::Control, told(next));
            next += 1;
        }
        tokio::time::sleep(Duration::from_millis(burst % 7)).await;
    }
    for expected in 0..next {
        assert_eq!(number(&mut client).await, expected);
    }
}

#[tokio::test]
async fn what_tells_of_others_is_put_off_once_and_goes_with_what_somebody_waits_for() {
    let (line, outbox, mut client) = pair().await;
    // Without a waker nobody but this test gives it turns.
    line.outbox.set(Arc::clone(&outbox)).unwrap();
    outbox.push(Lane::Control, told(0));
    assert_eq!(line.serve(), None, "nothing was told before it");
    assert_eq!(number(&mut client).await, 0);
    let last = Instant::now() + 10 * PATIENCE;
    line.out().told_at = Some(last);
    outbox.push(Lane::Control, told(1));
    assert_eq!(line.serve(), Some(last + PACE));
    assert_eq!(line.serve(), None, "it comes back once");
    let nothing = client.try_read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(nothing, Err(io::ErrorKind::WouldBlock));
    line.is_urgent.store(true, Ordering::SeqCst);
    let reply = Push::new("room", "number", &2);
    outbox.push(Lane::Control, Frame::durable(&reply));
    assert_eq!(line.serve(), None);
    assert_eq!(number(&mut client).await, 1);
    assert_eq!(number(&mut client).await, 2);
    line.out().told_at = Some(last);
    outbox.push(Lane::Control, told(3));
    line.serve_put_off();
    assert_eq!(number(&mut client).await, 3);
}

#[tokio::test]
async fn what_the_kernel_does_not_take_is_left_to_the_task_and_arrives_whole() {
    let (line, outbox, mut client) = pair().await;
    line.tell(&outbox);
    let socket = SockRef::from(line.tcp());
    socket.set_send_buffer_size(4_096).unwrap();
    let json = format!("\"{}\"", "x".repeat(60_000));
    let batch = Batch::one(&json);
    const FRAMES: usize = 200;
    for _ in 0..FRAMES {
        let frame = Frame::shared(batch.clone(), PushClass::Durable);
        outbox.push(Lane::Control, frame);
    }
    timeout(PATIENCE, line.left()).await.expect("it is stuck");
    let writing = async {
        while line.unstick().await.unwrap() != Pumped::All {}
        line.tcp()
    };
    let reading = async {
        let mut frame = vec![0; 4 + json.len()];
        for _ in 0..FRAMES {
            client.read_exact(&mut frame).await.unwrap();
            assert_eq!(frame[..2], [0x81, 126]);
            assert_eq!(frame[4..], *json.as_bytes());
        }
    };
    let both = async { tokio::join!(writing, reading) };
    timeout(PATIENCE, both).await.expect("all arrives");
}

#[tokio::test]
async fn after_the_last_word_comes_nothing() {
    let (line, outbox, mut client) = pair().await;
    line.tell(&outbox);
    outbox.push(Lane::Control, told(1));
    outbox.finish(Bye {
        code: CloseCode::Done,
        reason: "over".into(),
        reconnect_after_ms: None,
    });
    outbox.push(Lane::Control, told(2));
    timeout(PATIENCE, line.left()).await.expect("it is over");
    let pumped = timeout(PATIENCE, line.unstick()).await.unwrap();
    assert_eq!(pumped.unwrap(), Pumped::Ended);
    assert_eq!(number(&mut client).await, 1);
    assert!(text(&mut client).await.contains("over"));
    line.close();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
}
