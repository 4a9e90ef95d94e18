//! Cloudflare with the e-mail address and the global key of an account, which the crate does not
//! support: most files of Caddy v1 name these.

use dns_update::Error;
use dns_update::http::{HttpClient, HttpClientBuilder};
use http::Method;
use serde_json::{Value, json};

use super::values::T;
use crate::tls::dns::zone::Place;

const URL: &str = "https://api.cloudflare.com/client/v4/zones";

pub(super) struct ByKey(HttpClient);

impl ByKey {
    pub(super) fn new(email: &str, key: &str) -> Self {
        let builder = HttpClientBuilder::new().with_timeout(T);
        Self(builder.with_header("X-Auth-Email", email).with_header("X-Auth-Key", key).build())
    }

    pub(super) async fn add(&self, place: &Place, value: &str, ttl: u32) -> Result<(), Error> {
        let name = place.name.trim_end_matches('.');
        let url = self.records(place).await?;
        let content = format!("\"{value}\"");
        let body = json!({ "type": "TXT", "name": name, "content": content, "ttl": ttl });
        self.ask(Method::POST, url, Some(body)).await.map(drop)
    }

    pub(super) async fn remove(&self, place: &Place, value: &str) -> Result<(), Error> {
        let name = place.name.trim_end_matches('.');
        let url = self.records(place).await?;
        let found = self.ask(Method::GET, format!("{url}?type=TXT&name={name}"), None).await?;
        let records = found.as_array().map(Vec::as_slice).unwrap_or_default();
        let content = |record: &Value| {
            record["content"].as_str().unwrap_or_default().trim_matches('"').to_owned()
        };
        for record in records.iter().filter(|record| content(record) == value) {
            let id = record["id"].as_str().unwrap_or_default();
            self.ask(Method::DELETE, format!("{url}/{id}"), None).await?;
        }
        Ok(())
    }

    /// The URL of the records of the zone.
    async fn records(&self, place: &Place) -> Result<String, Error> {
        let zone = place.zone.trim_end_matches('.');
        let found = self.ask(Method::GET, format!("{URL}?name={zone}"), None).await?;
        match found[0]["id"].as_str() {
            Some(id) => Ok(format!("{URL}/{id}/dns_records")),
            None => Err(Error::NotFound),
        }
    }

    /// The result of a request.
    async fn ask(&self, method: Method, url: String, body: Option<Value>) -> Result<Value, Error> {
        let mut request = self.0.request(method, url);
        if let Some(body) = body {
            request = request.with_body(body)?;
        }
        let mut answer: Value = request.send().await?;
        match answer["success"].as_bool() {
            Some(true) => Ok(answer["result"].take()),
            _ => Err(Error::Api(answer["errors"].to_string())),
        }
    }
}
