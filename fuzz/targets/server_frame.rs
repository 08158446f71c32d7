//! Replies and pushes, as a client reads them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::frame::{ServerFrame, read};
use wire::message::{Bye, HelloResult, ListenResult, Metadata, PublishResult, Subscribed};

fuzz_target!(|bytes: &[u8]| match ServerFrame::decode(bytes) {
    Ok(ServerFrame::Reply(reply)) => {
        let Ok(result) = reply.result else { return };
        let _ = read::<HelloResult>(&result);
        let _ = read::<ListenResult>(&result);
        let _ = read::<PublishResult>(&result);
        let _ = read::<Subscribed>(&result);
    }
    Ok(ServerFrame::Push(push)) => {
        let _ = read::<Bye>(&push.data);
        let _ = read::<Metadata>(&push.data);
    }
    Err(_) => {}
});
