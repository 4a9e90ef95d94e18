//! Every provider with its variables, and that their values are shown nowhere.

use super::*;

/// The provider of these variables.
fn made(name: &str, variables: &[(&str, &str)]) -> Option<Result<Provided, Unusable>> {
    Provided::new(name, |wanted| {
        let found = variables.iter().find(|(name, _)| *name == wanted);
        Ok(found.map(|(_, value)| (*value).to_owned()))
    })
}

fn usable(name: &str, variables: &[(&str, &str)]) -> Provided {
    made(name, variables).unwrap().unwrap_or_else(|unusable| panic!("{unusable:?}"))
}

/// A value that the constructors take.
fn sample(name: &str) -> &'static str {
    match name {
        "OVH_ENDPOINT" => "ovh-eu",
        "GCE_SERVICE_ACCOUNT" => r#"{"project_id": "p"}"#,
        "TRANSIP_PRIVATE_KEY_PATH" | "OCI_PRIVKEY" => KEY.as_str(),
        _ if name.ends_with("_URL") || name.ends_with("_ENDPOINT") => "http://127.0.0.1:9/",
        _ if name.ends_with("_HOST") => "api.example",
        _ if name.ends_with("_REGION") || name.ends_with("_REGION_ID") => "region-1",
        "YANDEX_CLOUD_IAM_TOKEN" => "e30=",
        _ => "secret-of-the-test",
    }
}

static KEY: LazyLock<String> = LazyLock::new(|| {
    let algorithm = &rcgen::PKCS_RSA_SHA256;
    rcgen::KeyPair::generate_for(algorithm).unwrap().serialize_pem()
});

fn samples(row: &Provider) -> Vec<(&'static str, &'static str)> {
    row.each().map(|(names, _)| (names[0], sample(names[0]))).collect()
}

#[test]
fn every_row_makes_a_client_of_its_variables() {
    for (index, row) in PROVIDERS.iter().enumerate() {
        let provided = usable(row.name, &samples(row));
        assert_eq!(provided.row, index, "{}", row.name);
        let required: Vec<_> = row.each().filter(|(_, required)| *required).collect();
        assert_eq!(
            provided.values.0.iter().filter(|value| value.is_some()).count(),
            row.each().count()
        );
        // Without one of those it requires, no row takes the rest.
        for (names, _) in required {
            let mut rest = samples(row);
            rest.retain(|(name, _)| *name != names[0]);
            let unusable = made(row.name, &rest).unwrap().unwrap_err();
            let expected = format!("dns {}: ", row.name);
            assert!(unusable.why.starts_with(&expected), "{}", unusable.why);
            assert!(unusable.why.ends_with(" is not set"), "{}", unusable.why);
            assert!(unusable.remedy.contains(names[0]), "{}", unusable.remedy);
        }
    }
}

#[test]
fn names_are_in_order_and_variables_are_variables() {
    assert!(PROVIDERS.is_sorted_by_key(|row| row.name));
    assert!(LACKING.is_sorted_by_key(|(name, _)| *name));
    for row in PROVIDERS {
        assert!(LACKING.iter().all(|(name, _)| *name != row.name), "{}", row.name);
        for (names, _) in row.each() {
            for name in names {
                let is_one = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
                assert!(name.chars().all(is_one), "{}: {name}", row.name);
            }
        }
    }
}

#[test]
fn a_missing_variable_is_named_and_a_lacking_provider_has_another_way() {
    for (name, variables, why, remedy) in [
        ("cloudflare", &[][..], "CLOUDFLARE_DNS_API_TOKEN is not set", "CLOUDFLARE_API_KEY"),
        ("cloudflare", &[("CF_API_EMAIL", "a@b")], "CLOUDFLARE_API_KEY is not set", "NAME_FILE"),
        ("route53", &[("AWS_ACCESS_KEY_ID", "x")], "AWS_SECRET_ACCESS_KEY is not set", "AWS_"),
        ("dnspod", &[], "'dnspod' is not supported", "dns tencentcloud; or write"),
        ("rackspace", &[], "'rackspace' is not supported", "dns exec"),
        (
            "gcloud",
            &[("GCE_SERVICE_ACCOUNT", "no-json")],
            "GCE_SERVICE_ACCOUNT is not the JSON key",
            "GCE_SERVICE_ACCOUNT",
        ),
    ] {
        let unusable = made(name, variables).unwrap().unwrap_err();
        assert!(unusable.why.contains(why), "{unusable:?}");
        assert!(unusable.remedy.contains(remedy), "{unusable:?}");
        assert!(!format!("{unusable:?}").contains("no-json"), "{unusable:?}");
    }
    assert!(made("cloudflair", &[]).is_none());
}

#[test]
fn no_text_shows_a_credential() {
    for row in PROVIDERS {
        let provided = usable(row.name, &samples(row));
        assert_eq!(format!("{provided:?}"), format!("Provided({})", row.name));
    }
    let provided = usable("duckdns", &[("DUCKDNS_TOKEN", "to/ken+1")]);
    for text in ["GET https://x/?token=to%2Fken%2B1", "token to/ken+1 is wrong"] {
        let told = provided.told(&Error::Api(text.to_owned()));
        assert!(!told.contains("ken+1") && !told.contains("%2B"), "{told}");
        assert!(told.starts_with("dns duckdns: API error: "), "{told}");
    }
    let body = "Failed to deserialize response: EOF (body: {\"access_token\": \"other\"})";
    let told = provided.told(&Error::Serialize(body.to_owned()));
    assert!(told.ends_with("EOF") && !told.contains("other"), "{told}");
}

#[test]
fn the_page_of_tls_lists_the_providers() {
    let page = include_str!("../../../../docs/tls.md");
    let rows: Vec<String> = names()
        .into_iter()
        .map(|name| {
            let rows = PROVIDERS.iter().filter(|row| row.name == name);
            let sets = rows.map(|row| {
                let shown = row.each().map(|(names, required)| {
                    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                    let names = names.join(" or ");
                    if required { names } else { format!("[{names}]") }
                });
                shown.collect::<Vec<_>>().join(", ")
            });
            format!("| `{name}` | {} |", sets.collect::<Vec<_>>().join("; or "))
        })
        .collect();
    let table = rows.join("\n");
    assert!(page.contains(&table), "docs/tls.md must have:\n{table}");
    for (name, _) in LACKING {
        assert!(page.contains(&format!("`{name}`")), "docs/tls.md does not name {name}");
    }
}
