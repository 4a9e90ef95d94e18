//! The header fields of a request to an upstream: the client's fields and overrides of some of
//! them, without a second map.

use std::borrow::Cow;

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use super::header_rules::Change;
use crate::http::hop;

/// Initial capacity: the number of overrides in most requests.
const CHANGES: usize = 8;

pub(crate) struct Fields<'a> {
    client: &'a HeaderMap,
    /// Whether the client sent any hop-by-hop field.
    any_hop: bool,
    overrides: Vec<Override<'a>>,
}

struct Override<'a> {
    name: HeaderName,
    /// None: the field is removed.
    value: Option<Cow<'a, HeaderValue>>,
    /// Whether it replaces all of the client's values of the name or adds one.
    replaces: bool,
}

impl<'a> Fields<'a> {
    /// The client's fields without hop-by-hop fields.
    pub(crate) fn new(client: &'a HeaderMap) -> Self {
        let any_hop = client.keys().any(hop::is_hop_by_hop);
        let mut fields = Self { client, any_hop, overrides: Vec::with_capacity(CHANGES) };
        if any_hop {
            hop::named_by_connection(client).for_each(|name| fields.remove(&name));
        }
        fields
    }

    /// All fields of the client, if it sent any hop-by-hop field.
    pub(crate) fn with_hops(&self) -> Option<&'a HeaderMap> {
        self.any_hop.then_some(self.client)
    }

    /// The first value of a name.
    pub(crate) fn get(&self, name: &HeaderName) -> Option<&HeaderValue> {
        let client = if self.passes(name) { self.client.get(name) } else { None };
        client.or_else(|| self.overriding(name).next())
    }

    pub(crate) fn contains(&self, name: &HeaderName) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn get_all(&self, name: &HeaderName) -> impl Iterator<Item = &HeaderValue> {
        let client = self.passes(name).then(|| self.client.get_all(name).iter());
        client.into_iter().flatten().chain(self.overriding(name))
    }

    /// The values that override or add to the client's.
    pub(crate) fn overriding(&self, name: &HeaderName) -> impl Iterator<Item = &HeaderValue> {
        let named = self.overrides.iter().filter(move |one| one.name == *name);
        named.filter_map(|one| one.value.as_deref())
    }

    /// Calls `each` for every field to send: the overrides, the client's fields, the added fields.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&HeaderName, &HeaderValue)) {
        let overriding = |replaces, each: &mut dyn FnMut(&HeaderName, &HeaderValue)| {
            for one in self.overrides.iter().filter(|one| one.replaces == replaces) {
                if let Some(value) = &one.value {
                    each(&one.name, value);
                }
            }
        };
        overriding(true, &mut each);
        for (name, value) in self.client {
            if self.passes(name) {
                each(name, value);
            }
        }
        overriding(false, &mut each);
    }

    /// Copies the fields to a map.
    pub(crate) fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.client.len() + self.overrides.len());
        self.for_each(|name, value| {
            map.append(name.clone(), value.clone());
        });
        map
    }

    pub(crate) fn set(&mut self, name: &HeaderName, value: HeaderValue) {
        Change::set(self, name, Cow::Owned(value));
    }

    pub(crate) fn remove(&mut self, name: &HeaderName) {
        self.override_field(name, None);
    }

    /// Whether the client's values of a name are forwarded.
    fn passes(&self, name: &HeaderName) -> bool {
        if self.any_hop && hop::is_hop_by_hop(name) {
            return false;
        }
        !self.overrides.iter().any(|one| one.replaces && one.name == *name)
    }

    fn override_field(&mut self, name: &HeaderName, value: Option<Cow<'a, HeaderValue>>) {
        if self.overrides.iter().any(|one| one.name == *name) {
            self.overrides.retain(|one| one.name != *name);
        }
        self.overrides.push(Override { name: name.clone(), value, replaces: true });
    }
}

impl<'a> Change<'a> for Fields<'a> {
    fn set(&mut self, name: &HeaderName, value: Cow<'a, HeaderValue>) {
        self.override_field(name, Some(value));
    }

    fn add(&mut self, name: &HeaderName, value: Cow<'a, HeaderValue>) {
        self.overrides.push(Override { name: name.clone(), value: Some(value), replaces: false });
    }

    fn delete(&mut self, name: &HeaderName) {
        self.remove(name);
    }

    fn edit(&mut self, name: &HeaderName, edit: &dyn Fn(&mut HeaderValue)) {
        let mut values: Vec<HeaderValue> = self.get_all(name).cloned().collect();
        if !values.is_empty() {
            self.remove(name);
        }
        values.iter_mut().for_each(edit);
        values.into_iter().for_each(|value| self.add(name, Cow::Owned(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_lie_over_what_came() {
        let mut client = HeaderMap::new();
        for (name, value) in [
            ("x-a", "1"),
            ("x-a", "2"),
            ("x-b", "3"),
            ("keep-alive", "4"),
            ("connection", "x-named, host"),
            ("x-named", "5"),
            ("host", "h"),
        ] {
            client.append(name, HeaderValue::from_static(value));
        }
        let [a, b, c] = ["x-a", "x-b", "x-c"].map(HeaderName::from_static);
        let own = |value| Cow::Owned(HeaderValue::from_static(value));
        let sent = |fields: &Fields<'_>| {
            let mut lines = Vec::new();
            fields
                .for_each(|name, value| lines.push(format!("{name}={}", value.to_str().unwrap())));
            lines.join(" ")
        };
        let mut fields = Fields::new(&client);
        assert_eq!(sent(&fields), "x-a=1 x-a=2 x-b=3 host=h");
        fields.add(&a, own("6"));
        fields.set(&b, HeaderValue::from_static("7"));
        fields.set(&c, HeaderValue::from_static("8"));
        assert_eq!(sent(&fields), "x-b=7 x-c=8 x-a=1 x-a=2 host=h x-a=6");
        assert_eq!(fields.get_all(&a).count(), 3);
        fields.edit(&a, &|value| *value = format!("{}!", value.to_str().unwrap()).parse().unwrap());
        fields.edit(&c, &|_| {});
        fields.remove(&b);
        assert_eq!(sent(&fields), "host=h x-a=1! x-a=2! x-a=6! x-c=8");
        assert!(!fields.contains(&b) && fields.contains(&c));
        fields.add(&b, own("9"));
        assert_eq!(fields.get(&b), Some(&HeaderValue::from_static("9")));
        assert_eq!(fields.to_map().len(), 6);
        fields.set(&b, HeaderValue::from_static("0"));
        assert_eq!(fields.get_all(&b).count(), 1);
    }
}
