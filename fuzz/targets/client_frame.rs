//! Requests and the parameters of every method.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::frame::Request;
use wire::message::{
    AuthenticateParams, HelloParams, ListenParams, PingParams, PublishParams, SubscribeParams,
    UnsubscribeParams, UpdateMetadataParams,
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = Request::decode(bytes) else {
        return;
    };
    let _ = request.params::<HelloParams>();
    let _ = request.params::<AuthenticateParams>();
    let _ = request.params::<ListenParams>();
    let _ = request.params::<PingParams>();
    let _ = request
        .params::<PublishParams>()
        .map(|params| params.track.validate());
    let _ = request.params::<SubscribeParams>();
    let _ = request.params::<UnsubscribeParams>();
    let _ = request
        .params::<UpdateMetadataParams>()
        .map(|params| params.metadata.cleaned());
    Request::decode(request.encode().as_bytes()).expect("what was decoded encodes");
});
