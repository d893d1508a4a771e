//! When the certificates end that clients are shown.

use super::text::Page;
use crate::counters::Counters;

/// Writes a sample for each file that `[tls]` names.
pub(super) fn write(page: &mut Page, counters: &Counters) {
    let ends = counters.certificates.load();
    if ends.is_empty() {
        return;
    }
    let name = "larder_certificate_expiry_timestamp_seconds";
    page.family(name, "gauge", "When a certificate ends, in seconds since 1970.");
    for (file, end) in ends.iter() {
        page.sample(name, &[("certificate", file)], end);
    }
}
