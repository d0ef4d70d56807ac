//! The versions of new migrations: the time in UTC, spelled as in the folders that are there.

use std::time::{SystemTime, UNIX_EPOCH};

/// How the versions of a folder are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `2026-01-31-120000-0000`: what the Diesel CLI 2.3 makes. The last part counts within one second.
    Counted,
    /// `2026-01-31-120000`: what it made before.
    Dashed,
    /// `20260131120000`.
    Compact,
    /// `0007`, with so many digits.
    Number(usize),
}

/// The version of a migration made at `now`, in the style of the newest folder's name.
pub(crate) fn version(newest: Option<&str>, now: SystemTime) -> String {
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    let (year, month, day) = date(seconds / 86_400);
    let time = format!(
        "{:02}{:02}{:02}",
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60
    );
    let newest = newest.map(|name| name.split('_').next().unwrap_or_default());
    match style(newest) {
        Style::Counted => {
            let second = format!("{year:04}-{month:02}-{day:02}-{time}");
            let count = newest
                .and_then(|newest| newest.strip_prefix(&second)?.strip_prefix('-'))
                .and_then(|count| u32::from_str_radix(count, 16).ok())
                .map_or(0, |count| count.saturating_add(1));
            format!("{second}-{count:04x}")
        }
        Style::Dashed => format!("{year:04}-{month:02}-{day:02}-{time}"),
        Style::Compact => format!("{year:04}{month:02}{day:02}{time}"),
        Style::Number(width) => {
            let number = newest.and_then(|newest| newest.parse::<u64>().ok());
            format!("{:0width$}", number.unwrap_or(0) + 1)
        }
    }
}

/// The time as `2026-01-31-120000`, for a folder's name.
pub(crate) fn dashed(now: SystemTime) -> String {
    version(Some("2026-01-31-120000"), now)
}

fn style(newest: Option<&str>) -> Style {
    let Some(newest) = newest else {
        return Style::Counted;
    };
    let shape: String = newest
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    match shape.as_str() {
        "0000-00-00-000000" => Style::Dashed,
        "00000000000000" => Style::Compact,
        digits if digits.len() < 14 && digits.chars().all(|c| c == '0') => {
            Style::Number(digits.len())
        }
        _ => Style::Counted,
    }
}

/// The Gregorian date of a day since 1970-01-01, counted in eras of 400 years that begin on 1 March.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_style_of_the_folder_is_kept() {
        // 2024-02-29 23:59:59 UTC.
        let now = UNIX_EPOCH + Duration::from_secs(1_709_251_199);
        let version = |newest| version(newest, now);
        assert_eq!(version(None), "2024-02-29-235959-0000");
        assert_eq!(
            version(Some("2023-01-01-000000-0000_a")),
            "2024-02-29-235959-0000"
        );
        assert_eq!(
            version(Some("2024-02-29-235959-000f_a")),
            "2024-02-29-235959-0010"
        );
        assert_eq!(version(Some("2023-01-01-000000_a")), "2024-02-29-235959");
        assert_eq!(version(Some("20230101000000_a")), "20240229235959");
        assert_eq!(version(Some("0009_a")), "0010");
        assert_eq!(
            version(Some("00000000000000_diesel_initial_setup")),
            "20240229235959"
        );
    }

    #[test]
    fn dates() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(20_453), (2025, 12, 31));
        assert_eq!(date(20_454), (2026, 1, 1));
        assert_eq!(date(47_541), (2100, 3, 1));
    }
}
