//! Providers whose settings are a structure.

use dns_update::providers::azuredns::{AzureDnsConfig, AzureEnvironment};
use dns_update::providers::edgedns::EdgeDnsConfig;
use dns_update::providers::google_cloud_dns::GoogleCloudDnsConfig;
use dns_update::providers::infoblox::InfobloxConfig;
use dns_update::providers::joker::JokerAuth;
use dns_update::providers::lightsail::LightsailConfig;
use dns_update::providers::oraclecloud::OracleCloudConfig;
use dns_update::providers::route53::Route53Config;
use dns_update::providers::volcengine::VolcengineConfig;
use dns_update::providers::yandexcloud::YandexCloudConfig;
use dns_update::{DnsUpdater, Error};

use super::values::{T, Values};

type Made = Result<DnsUpdater, Error>;

pub(super) fn azure(v: &Values) -> Made {
    DnsUpdater::new_azuredns(AzureDnsConfig {
        client_id: v.at(0).to_owned(),
        client_secret: v.at(1).to_owned(),
        tenant_id: v.at(2).to_owned(),
        subscription_id: v.at(3).to_owned(),
        resource_group: v.at(4).to_owned(),
        environment: AzureEnvironment::from_str_lossy(v.at(5)),
        request_timeout: T,
    })
}

pub(super) fn akamai(v: &Values) -> Made {
    DnsUpdater::new_edgedns(EdgeDnsConfig {
        host: v.at(0).to_owned(),
        client_token: v.at(1).to_owned(),
        client_secret: v.at(2).to_owned(),
        access_token: v.at(3).to_owned(),
        account_switch_key: None,
        request_timeout: T,
    })
}

/// The project is in the key of the account, if it is not given.
pub(super) fn google(v: &Values) -> Made {
    let account: serde_json::Value = serde_json::from_str(v.at(0)).map_err(|_| {
        Error::Parse("GCE_SERVICE_ACCOUNT is not the JSON key of an account".to_owned())
    })?;
    let project = v.own(1).or_else(|| account["project_id"].as_str().map(str::to_owned));
    DnsUpdater::new_google_cloud_dns(GoogleCloudDnsConfig {
        service_account_json: v.at(0).to_owned(),
        project_id: project.ok_or_else(|| Error::Parse("GCE_PROJECT is not set".to_owned()))?,
        managed_zone: v.own(2),
        private_zone: false,
        impersonate_service_account: None,
        request_timeout: T,
    })
}

pub(super) fn infoblox(v: &Values) -> Made {
    DnsUpdater::new_infoblox(InfobloxConfig {
        host: v.at(0).to_owned(),
        username: v.at(1).to_owned(),
        password: v.at(2).to_owned(),
        port: v.own(3),
        wapi_version: v.own(4),
        dns_view: v.own(5),
        request_timeout: T,
    })
}

pub(super) fn joker_key(v: &Values) -> Made {
    DnsUpdater::new_joker(JokerAuth::api_key(v.at(0)), T)
}

pub(super) fn joker(v: &Values) -> Made {
    DnsUpdater::new_joker(JokerAuth::username_password(v.at(0), v.at(1)), T)
}

/// Its DNS is in one region, the crate's default.
pub(super) fn lightsail(v: &Values) -> Made {
    DnsUpdater::new_lightsail(LightsailConfig {
        access_key_id: v.at(0).to_owned(),
        secret_access_key: v.at(1).to_owned(),
        session_token: v.own(2),
        region: None,
        domain: None,
        request_timeout: T,
    })
}

pub(super) fn oracle(v: &Values) -> Made {
    DnsUpdater::new_oraclecloud(OracleCloudConfig {
        tenancy_ocid: v.at(0).to_owned(),
        user_ocid: v.at(1).to_owned(),
        fingerprint: v.at(2).to_owned(),
        private_key_pem: v.at(3).to_owned(),
        region: v.at(4).to_owned(),
        compartment_ocid: v.at(5).to_owned(),
        private_key_password: None,
        request_timeout: T,
    })
}

/// It has one endpoint, whose signatures name the crate's default region, not that of a machine.
pub(super) fn route53(v: &Values) -> Made {
    DnsUpdater::new_route53(Route53Config {
        access_key_id: v.at(0).to_owned(),
        secret_access_key: v.at(1).to_owned(),
        session_token: v.own(2),
        region: None,
        hosted_zone_id: v.own(3),
        private_zone_only: Some(false),
        endpoint: None,
    })
}

pub(super) fn volcengine(v: &Values) -> Made {
    DnsUpdater::new_volcengine(VolcengineConfig {
        access_key: v.at(0).to_owned(),
        secret_key: v.at(1).to_owned(),
        region: v.own(2),
        host: None,
        scheme: None,
        request_timeout: T,
    })
}

pub(super) fn yandex(v: &Values) -> Made {
    DnsUpdater::new_yandexcloud(YandexCloudConfig {
        iam_token_b64: v.at(0).to_owned(),
        folder_id: v.at(1).to_owned(),
        request_timeout: T,
    })
}
