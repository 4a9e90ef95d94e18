//! A `*` in the name of a site that no request's host matches.

use crate::http::paths::Remark;

/// What is to be said of a host: `*` stands for whole labels, from the left.
pub(super) fn remark(host: &str) -> Option<Remark> {
    let labels: Vec<&str> = host.split('.').collect();
    let stars = labels.iter().take_while(|label| **label == "*").count();
    let last = labels.iter().rposition(|label| label.contains('*')).filter(|at| *at >= stars)?;
    let stars = vec!["*"; last + 1];
    let name = [&stars, &labels[last + 1..]].concat().join(".");
    Some(Remark {
        message: format!(
            "no request gets here: in '{host}', a '*' is not a whole label, or one before it is \
             written out"
        ),
        hint: format!("write {name}, or each name; '*' stands for whole labels, from the left"),
    })
}

#[cfg(test)]
mod tests {
    use super::remark;

    #[test]
    fn stars_that_match_nothing() {
        for (host, name) in [
            ("a*.example.com", "write *.example.com,"),
            ("*x.example", "write *.example,"),
            ("*-a.*.example", "write *.*.example,"),
            ("a.*.example", "write *.*.example,"),
            ("*.a*.example", "write *.*.example,"),
            ("example.*", "write *.*,"),
        ] {
            let found = remark(host).unwrap_or_else(|| panic!("{host}"));
            assert!(found.hint.starts_with(name), "{host}: {}", found.hint);
        }
        for host in ["", "*", "a.b", "*.example.com", "*.*.example.com", "*.*", "127.0.0.1"] {
            assert!(remark(host).is_none(), "{host}");
        }
    }
}
