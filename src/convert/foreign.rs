//! Configurations that are none of nginx and none of Caddy 2: whose they are, and what to do.

use super::files::Source;
use super::page::Place;
use crate::caddyfile::{counterpart_of_apache, counterpart_of_caddy2, counterpart_of_haproxy};

const APACHE: &str = "this is a configuration of Apache, which is not translated: \
                      docs/from-apache.md has what to write";
const HAPROXY: &str = "this is a configuration of HAProxy, which is not translated: \
                       docs/from-haproxy.md has what to write";
const CADDY_1: &str =
    "this is a Caddyfile of Caddy 1, which runs as it is: caddy -validate -conf FILE";

/// Where a text shows that it is not to be translated, and why.
pub(super) fn refused(name: &str, text: &str) -> Option<(Place, String)> {
    let firsts = text.lines().enumerate();
    let firsts = firsts.filter_map(|(at, line)| Some((at, line.split_whitespace().next()?)));
    let firsts: Vec<(usize, &str)> = firsts.collect();
    let count = |is: fn(&str) -> bool| firsts.iter().filter(|(_, word)| is(word)).count();
    let caddy_2 = count(is_caddy_2);
    let (is_sign, why): (fn(&str) -> bool, _) = if count(is_apache) > caddy_2 {
        (is_apache, APACHE)
    } else if count(is_haproxy) > caddy_2 {
        (is_haproxy, HAPROXY)
    } else if caddy_2 == 0 && count(is_caddy_1) > 0 {
        (is_caddy_1, CADDY_1)
    } else {
        return None;
    };
    let (at, _) = *firsts.iter().find(|(_, word)| is_sign(word))?;
    let margin = text.lines().nth(at)?.chars().take_while(|c| c.is_whitespace()).count();
    let [line, column] = [at, margin].map(|before| u32::try_from(before).unwrap_or_default() + 1);
    Some((Place { source: Source::new(name, text), line, column }, why.to_owned()))
}

fn is_apache(word: &str) -> bool {
    const SECTIONS: &[&str] = &[
        "<Directory",
        "<Files",
        "<FilesMatch",
        "<IfModule",
        "<Location",
        "<Proxy",
        "<VirtualHost",
    ];
    counterpart_of_apache(word).is_some() || SECTIONS.contains(&word)
}

fn is_haproxy(word: &str) -> bool {
    // What is nginx's `listen` does not come here.
    counterpart_of_haproxy(word).is_some() || word == "listen"
}

/// Words that both versions have show nothing.
fn is_caddy_2(word: &str) -> bool {
    counterpart_of_caddy2(word).is_some()
        && !matches!(
            word,
            "compression" | "index" | "key_type" | "max_size" | "resolvers" | "root" | "to"
        )
}

/// Directives that Caddy 1 has and Caddy 2 has not.
fn is_caddy_1(word: &str) -> bool {
    matches!(word, "browse" | "ext" | "fastcgi" | "gzip" | "mime" | "proxy" | "status")
}
