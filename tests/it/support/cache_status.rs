//! Cache-Status (RFC 9211), read for assertions.

/// One member of the field: what one cache says of its part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheStatus {
    /// Whose.
    pub(crate) cache: String,
    /// §2.1
    pub(crate) hit: bool,
    /// §2.2
    pub(crate) fwd: Option<String>,
    /// §2.3
    pub(crate) fwd_status: Option<u16>,
    /// §2.4, seconds
    pub(crate) ttl: Option<i64>,
    /// §2.5
    pub(crate) stored: bool,
    /// §2.6
    pub(crate) collapsed: bool,
    /// §2.6: `collapsed=?0`
    pub(crate) in_vain: bool,
    /// §2.8
    pub(crate) detail: Option<String>,
}

impl CacheStatus {
    /// Every member of the field's lines, in order.
    ///
    /// # Panics
    /// With the member, where it is not in the form of RFC 9211.
    pub(crate) fn parse(lines: &[&str]) -> Vec<CacheStatus> {
        let members = lines.iter().flat_map(|line| line.split(','));
        members.map(|member| CacheStatus::member(member.trim())).collect()
    }

    fn member(member: &str) -> CacheStatus {
        let mut parts = member.split(';').map(str::trim);
        let cache = parts.next().unwrap_or_default().trim_matches('"').to_owned();
        assert!(!cache.is_empty(), "no cache is named in {member:?}");
        let mut status = CacheStatus { cache, ..CacheStatus::default() };
        for part in parts {
            status.parameter(part, member);
        }
        status
    }

    fn parameter(&mut self, part: &str, member: &str) {
        let number = |text: &str| text.parse::<i64>().unwrap_or_else(|_| panic!("{member:?}"));
        match part.split_once('=') {
            None if part == "hit" => self.hit = true,
            None if part == "stored" => self.stored = true,
            None if part == "collapsed" => self.collapsed = true,
            Some(("collapsed", "?0")) => self.in_vain = true,
            Some(("fwd", token)) => self.fwd = Some(token.to_owned()),
            Some(("ttl", seconds)) => self.ttl = Some(number(seconds)),
            Some(("fwd-status", code)) => self.fwd_status = u16::try_from(number(code)).ok(),
            Some(("detail", token)) => self.detail = Some(token.to_owned()),
            _ => panic!("{part:?} is no parameter of RFC 9211, in {member:?}"),
        }
    }

    /// The token of `fwd`; empty where there is none.
    pub(crate) fn fwd(&self) -> &str {
        self.fwd.as_deref().unwrap_or_default()
    }

    /// The token of `detail`; empty where there is none.
    pub(crate) fn detail(&self) -> &str {
        self.detail.as_deref().unwrap_or_default()
    }
}
