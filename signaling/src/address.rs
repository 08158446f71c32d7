//! Ranges of addresses, as `192.0.2.0/24` or `2001:db8::/32`.

use std::net::{IpAddr, Ipv6Addr};

/// The first and last address of a range; IPv4 is mapped into IPv6 (RFC 4291,
/// section 2.5.5.2). None when the text is no range.
pub(crate) fn range(text: &str) -> Option<(Ipv6Addr, Ipv6Addr)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let (address, offset) = match address.parse().ok()? {
        IpAddr::V4(address) => (address.to_ipv6_mapped(), 96),
        IpAddr::V6(address) => (address, 0),
    };
    let length: u32 = match length {
        Some(length) => length.parse().ok()?,
        None => 128 - offset,
    };
    let length = length.checked_add(offset).filter(|length| *length <= 128)?;
    let host = u128::MAX.checked_shr(length).unwrap_or(0);
    let address = u128::from(address);
    Some((
        Ipv6Addr::from(address & !host),
        Ipv6Addr::from(address | host),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, inside: &[&str], outside: &[&str]) {
        let (first, last) = range(text).unwrap();
        let mapped = |address: &str| match address.parse().unwrap() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        for address in inside {
            assert!(
                (first..=last).contains(&mapped(address)),
                "{text} {address}"
            );
        }
        for address in outside {
            assert!(
                !(first..=last).contains(&mapped(address)),
                "{text} {address}"
            );
        }
    }

    #[test]
    fn ranges_hold_what_they_say() {
        check(
            "192.0.2.0/24",
            &["192.0.2.0", "192.0.2.255"],
            &["192.0.3.0", "::1"],
        );
        check("192.0.2.77/24", &["192.0.2.0"], &["192.0.1.255"]);
        check("192.0.2.7", &["192.0.2.7"], &["192.0.2.8"]);
        check(
            "0.0.0.0/0",
            &["0.0.0.0", "255.255.255.255"],
            &["::", "2001:db8::"],
        );
        check("2001:db8::/32", &["2001:db8:ffff::1"], &["2001:db9::"]);
        check("::/0", &["::", "192.0.2.1", "ffff::"], &[]);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "/",
            "1.2.3.4/33",
            "::/129",
            "1.2.3/8",
            "a",
            "1.2.3.4/-1",
            "::/4294967295",
        ] {
            assert_eq!(range(text), None, "{text}");
        }
    }
}
