//! Where messages may be sent: users name the endpoints, and the server must not be made
//! to knock at doors inside its own network.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper_util::client::legacy::connect::dns::Name;

/// Bytes of an endpoint.
const BYTES_MAX: usize = 1_024;

/// How long a name may take to be looked up is bounded by the attempt as a whole.
type Found = std::vec::IntoIter<SocketAddr>;

/// Checks what a client says its endpoint is.
pub(super) fn check(endpoint: &str, any: bool) -> Result<(), &'static str> {
    if endpoint.len() > BYTES_MAX {
        return Err("endpoint: above 1,024 bytes");
    }
    let uri: Uri = endpoint.parse().map_err(|_| "endpoint: no URL")?;
    let host = uri.host().ok_or("endpoint: no absolute URL")?;
    if uri.authority().is_some_and(|at| at.as_str().contains('@')) {
        return Err("endpoint: it names a user");
    }
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if any => return Ok(()),
        _ => return Err("endpoint: not https"),
    }
    if any {
        return Ok(());
    }
    if uri.port_u16().is_some_and(|port| port != 443) {
        return Err("endpoint: another port than 443");
    }
    // No push service goes by a bare address, and names without a dot are of this network.
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if bare.parse::<IpAddr>().is_ok() || !bare.trim_end_matches('.').contains('.') {
        return Err("endpoint: not at a public name");
    }
    Ok(())
}

/// The origin of an endpoint, as its push service knows itself.
pub(super) fn origin(endpoint: &Uri) -> String {
    let scheme = endpoint.scheme_str().unwrap_or("https");
    let host = endpoint.host().unwrap_or_default();
    match (scheme, endpoint.port_u16()) {
        ("https", Some(443)) | ("http", Some(80)) | (_, None) => format!("{scheme}://{host}"),
        (_, Some(port)) => format!("{scheme}://{host}:{port}"),
    }
}

/// Looks names up, and finds public addresses alone unless it may find any. The
/// connection goes to the very address that was judged.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    pub(super) any: bool,
}

impl tower::Service<Name> for Resolver {
    type Response = Found;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Found>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let any = self.any;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<_> = found
                .filter(|address| any || is_public(address.ip()))
                .collect();
            if allowed.is_empty() {
                let message = "the name has no public address";
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
            }
            Ok(allowed.into_iter())
        })
    }
}

/// Whether an address is one of the internet's, and no tunnel to another one.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => is_public_v4(address),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        // Carriers' own, protocol assignments, benchmarks.
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // Global unicast is 2000::/3; within it Teredo, documentation and 6to4 are others' addresses.
    let global = (0x2000..0x4000).contains(&first);
    let special = first == 0x2002
        || (first == 0x2001 && (second < 0x0200 || second == 0x0db8))
        || (first == 0x3fff && second < 0x1000);
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_public_and_encrypted() {
        for good in [
            "https://fcm.googleapis.com/fcm/send/abc",
            "https://updates.push.services.mozilla.com:443/wpush/v2/x",
        ] {
            assert_eq!(check(good, false), Ok(()), "{good}");
        }
        let long = format!("https://push.example/{}", "x".repeat(BYTES_MAX));
        for bad in [
            "",
            "push.example",
            "/relative",
            "http://push.example/x",
            "ftp://push.example/x",
            "https://push.example:22/x",
            "https://user@push.example/x",
            "https://127.0.0.1/x",
            "https://[::1]/x",
            "https://localhost/x",
            "https://intranet./x",
            &long,
        ] {
            assert!(check(bad, false).is_err(), "{bad}");
        }
        assert_eq!(check("http://127.0.0.1:9/x", true), Ok(()));
        assert!(check("ftp://127.0.0.1:9/x", true).is_err());
    }

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for (address, public) in [
            ("142.250.1.1", true),
            ("2a00:1450:4001::1", true),
            ("2001:4860::8888", true),
            ("10.1.2.3", false),
            ("172.16.0.1", false),
            ("192.168.1.1", false),
            ("127.0.0.1", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("0.0.0.0", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("198.18.0.1", false),
            ("::", false),
            ("::1", false),
            ("::ffff:10.0.0.1", false),
            ("::ffff:142.250.1.1", true),
            ("64:ff9b::a00:1", false),
            ("fd00::1", false),
            ("fe80::1", false),
            ("ff02::1", false),
            ("2002:a00:1::", false),
            ("2001:0:1::", false),
            ("2001:db8::1", false),
        ] {
            let parsed: IpAddr = address.parse().unwrap();
            assert_eq!(is_public(parsed), public, "{address}");
        }
    }

    #[tokio::test]
    async fn names_of_this_machine_are_not_found() {
        use tower::Service as _;
        let name: Name = "localhost".parse().unwrap();
        let found = Resolver { any: false }.call(name.clone()).await;
        assert_eq!(found.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert!(Resolver { any: true }.call(name).await.unwrap().len() > 0);
    }

    #[test]
    fn origins_leave_out_what_goes_without_saying() {
        for (endpoint, told) in [
            ("https://push.example/a?b", "https://push.example"),
            ("https://push.example:443/a", "https://push.example"),
            ("http://127.0.0.1:81/a", "http://127.0.0.1:81"),
        ] {
            assert_eq!(origin(&endpoint.parse().unwrap()), told);
        }
    }
}
