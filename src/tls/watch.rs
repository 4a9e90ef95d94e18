//! Checks certificate files for changes while a listener uses them.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::files::Files;
use super::pem::{DAY, unix_now};
use super::resolver::Resolver;

/// The interval of checks: a renewed file is in use after at most this time.
const EVERY: Duration = Duration::from_secs(5);

/// Watches the files of these listeners until all of them are dropped.
pub(super) async fn files(resolvers: Vec<Weak<Resolver>>) {
    let mut daily = Daily::new(unix_now());
    loop {
        tokio::time::sleep(EVERY).await;
        let alive: Vec<_> = resolvers.iter().filter_map(Weak::upgrade).collect();
        if alive.is_empty() {
            return;
        }
        let files = alive.iter().flat_map(|one| one.files());
        daily.complaints(files, unix_now()).iter().for_each(|complaint| log::warn!("{complaint}"));
        // Listeners share files: collects the files of all before any is marked as read.
        let changed: Vec<_> = alive.iter().flat_map(|one| one.files()).collect();
        let mut new = false;
        for files in changed {
            match files.refresh() {
                Ok(changed) => new |= changed,
                Err(error) => log::error!("{error}; the previous certificate stays in use"),
            }
        }
        if new {
            log::info!("certificate files have changed and are in use now");
            alive.iter().for_each(|one| one.rebuild());
        }
    }
}

/// Warnings that are logged once a day.
struct Daily {
    day: i64,
}

impl Daily {
    /// The warnings of the first day are logged when the configuration is loaded.
    fn new(now: i64) -> Self {
        Self { day: now / DAY }
    }

    /// The distinct warnings about validity periods; none if they were already logged today.
    fn complaints(
        &mut self,
        files: impl Iterator<Item = Arc<Files>>,
        now: i64,
    ) -> BTreeSet<String> {
        if std::mem::replace(&mut self.day, now / DAY) == now / DAY {
            return BTreeSet::new();
        }
        files.flat_map(|files| files.complaints_at(now)).collect()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn a_certificate_is_warned_about_once_a_day() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        (params.not_before, params.not_after) =
            (date_time_ymd(2000, 1, 1), date_time_ymd(2030, 1, 1));
        let dir = tempfile::tempdir().unwrap();
        let [cert, private] =
            ["cert", "key"].map(|name| dir.path().join(name).display().to_string());
        std::fs::write(&cert, params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(&private, key.serialize_pem()).unwrap();
        let files = Arc::new(Files::pair(&cert, &private).unwrap());
        // Two listeners show the file.
        let shown = || [files.clone(), files.clone()].into_iter();

        let until = params.not_after.unix_timestamp();
        let (begin, end) = (until - 16 * DAY + 7, until + 3 * DAY);
        let mut daily = Daily::new(begin);
        let mut lines = vec![];
        for now in (begin..end).step_by(EVERY.as_secs() as usize) {
            lines.extend(daily.complaints(shown(), now).into_iter().map(|line| (now, line)));
        }
        let days: Vec<_> = lines.iter().map(|(now, _)| (*now - until).div_euclid(DAY)).collect();
        assert_eq!(days, (-14..3).collect::<Vec<_>>(), "{lines:?}");
        for (left, (now, line)) in (0..14).rev().zip(&lines) {
            let expires = "the certificate expires on 2030-01-01 00:00 UTC";
            let want = format!("'{cert}': {expires}, in {left} days");
            assert!(line.starts_with(&want), "{line}");
            // With the first look of the day.
            assert!(now.rem_euclid(DAY) < EVERY.as_secs() as i64, "{now}");
        }
        for (_, line) in &lines[14..] {
            assert!(line.contains("the certificate expired on 2030-01-01"), "{line}");
        }
    }
}
