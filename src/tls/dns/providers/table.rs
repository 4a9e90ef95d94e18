//! THE TABLE of DNS providers. Names and variables are those of Caddy v1 and of lego, whose
//! providers it used.

use dns_update::{DnsUpdater as D, Error};

use super::cloudflare::ByKey;
use super::configs;
use super::values::{T, Values};

const NONE: Option<&str> = None;

/// A client of a provider's API.
pub(super) enum Api {
    Crate(Box<D>),
    CloudflareKey(ByKey),
}

/// A row of the table.
pub(super) struct Provider {
    pub(super) name: &'static str,
    /// Of `PREFIX_PROPAGATION_TIMEOUT`.
    pub(super) prefix: &'static str,
    /// The TTL of the record in seconds: short, but one that the provider accepts.
    pub(super) ttl: u32,
    /// Its variables, in the order of [`Values`]: `A|B` for two names of one, `A?` where it may be
    /// missing.
    pub(super) variables: &'static str,
    pub(super) new: New,
    /// Whether it has one TXT value per name, and no way to list what it has.
    pub(super) single: bool,
}

type New = fn(&Values) -> Result<Api, Error>;

const fn row(
    name: &'static str,
    prefix: &'static str,
    ttl: u32,
    variables: &'static str,
    new: New,
) -> Provider {
    Provider { name, prefix, ttl, variables, new, single: false }
}

const fn single(row: Provider) -> Provider {
    Provider { single: true, ..row }
}

fn api(updater: Result<D, Error>) -> Result<Api, Error> {
    updater.map(|updater| Api::Crate(Box::new(updater)))
}

const AWS: &str = "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN?";
const AWS_ZONE: &str = "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN? \
                        AWS_HOSTED_ZONE_ID?";
const AZURE: &str = "AZURE_CLIENT_ID AZURE_CLIENT_SECRET AZURE_TENANT_ID AZURE_SUBSCRIPTION_ID \
                     AZURE_RESOURCE_GROUP AZURE_ENVIRONMENT?";
const AKAMAI: &str = "AKAMAI_HOST AKAMAI_CLIENT_TOKEN AKAMAI_CLIENT_SECRET AKAMAI_ACCESS_TOKEN";
const ALICLOUD: &str = "ALICLOUD_ACCESS_KEY ALICLOUD_SECRET_KEY ALICLOUD_REGION_ID? \
                        ALICLOUD_SECURITY_TOKEN?";
const CLOUDFLARE: &str = "CLOUDFLARE_DNS_API_TOKEN|CF_DNS_API_TOKEN|CLOUDFLARE_API_TOKEN";
const CLOUDFLARE_KEY: &str = "CLOUDFLARE_EMAIL|CF_API_EMAIL CLOUDFLARE_API_KEY|CF_API_KEY";
const GCE: &str = "GCE_SERVICE_ACCOUNT GCE_PROJECT? GCE_ZONE_ID?";
const INFOBLOX: &str = "INFOBLOX_HOST INFOBLOX_USERNAME INFOBLOX_PASSWORD INFOBLOX_PORT? \
                        INFOBLOX_WAPI_VERSION? INFOBLOX_DNS_VIEW?";
const NAMECHEAP: &str = "NAMECHEAP_API_USER NAMECHEAP_API_KEY NAMECHEAP_CLIENT_IP";
const NETCUP: &str = "NETCUP_CUSTOMER_NUMBER NETCUP_API_KEY NETCUP_API_PASSWORD";
const OCI: &str = "OCI_TENANCY_OCID OCI_USER_OCID OCI_PUBKEY_FINGERPRINT OCI_PRIVKEY OCI_REGION \
                   OCI_COMPARTMENT_OCID";
const OVH: &str = "OVH_ENDPOINT OVH_APPLICATION_KEY OVH_APPLICATION_SECRET OVH_CONSUMER_KEY";
const SELECTEL: &str = "SELECTELV2_USERNAME SELECTELV2_PASSWORD SELECTELV2_ACCOUNT_ID \
                        SELECTELV2_PROJECT_ID";
const TENCENT: &str = "TENCENTCLOUD_SECRET_ID TENCENTCLOUD_SECRET_KEY TENCENTCLOUD_REGION? \
                       TENCENTCLOUD_SESSION_TOKEN?";
const VOLC: &str = "VOLC_ACCESSKEY VOLC_SECRETKEY VOLC_REGION?";

/// In the order of names. Of two rows of one name the first counts whose variables are set.
#[rustfmt::skip]
pub(super) static PROVIDERS: &[Provider] = &[
    row("alidns", "ALICLOUD", 600, ALICLOUD,
        |v| api(D::new_alidns(v.at(0), v.at(1), v.get(2), v.get(3), NONE, T))),
    row("arvancloud", "ARVANCLOUD", 600, "ARVANCLOUD_API_KEY",
        |v| api(D::new_arvancloud(v.at(0), T))),
    row("autodns", "AUTODNS", 600, "AUTODNS_API_USER AUTODNS_API_PASSWORD",
        |v| api(D::new_autodns(v.at(0), v.at(1), None, T))),
    row("azure", "AZURE", 120, AZURE, |v| api(configs::azure(v))),
    row("azuredns", "AZURE", 120, AZURE, |v| api(configs::azure(v))),
    row("baiducloud", "BAIDUCLOUD", 300, "BAIDUCLOUD_ACCESS_KEY_ID BAIDUCLOUD_SECRET_ACCESS_KEY",
        |v| api(D::new_baiducloud(v.at(0), v.at(1), T))),
    row("bunny", "BUNNY", 120, "BUNNY_API_KEY", |v| api(D::new_bunny(v.at(0), T))),
    row("cloudflare", "CLOUDFLARE", 120, CLOUDFLARE, |v| api(D::new_cloudflare(v.at(0), T))),
    row("cloudflare", "CLOUDFLARE", 120, CLOUDFLARE_KEY,
        |v| Ok(Api::CloudflareKey(ByKey::new(v.at(0), v.at(1))))),
    row("cloudns", "CLOUDNS", 300, "CLOUDNS_AUTH_ID CLOUDNS_AUTH_PASSWORD",
        |v| api(D::new_cloudns(v.get(0), NONE, v.at(1), T))),
    row("cloudns", "CLOUDNS", 300, "CLOUDNS_SUB_AUTH_ID CLOUDNS_AUTH_PASSWORD",
        |v| api(D::new_cloudns(NONE, v.get(0), v.at(1), T))),
    row("constellix", "CONSTELLIX", 120, "CONSTELLIX_API_KEY CONSTELLIX_SECRET_KEY",
        |v| api(D::new_constellix(v.at(0), v.at(1), T))),
    row("cpanel", "CPANEL", 300, "CPANEL_BASE_URL CPANEL_USERNAME CPANEL_TOKEN",
        |v| api(D::new_cpanel(v.at(0), v.at(1), v.at(2), T))),
    row("desec", "DESEC", 3600, "DESEC_TOKEN", |v| api(D::new_desec(v.at(0), T))),
    row("digitalocean", "DO", 120, "DO_AUTH_TOKEN", |v| api(D::new_digitalocean(v.at(0), T))),
    row("dnsimple", "DNSIMPLE", 120, "DNSIMPLE_OAUTH_TOKEN DNSIMPLE_ACCOUNT_ID",
        |v| api(D::new_dnsimple(v.at(0), v.at(1), T))),
    row("dnsmadeeasy", "DNSMADEEASY", 120, "DNSMADEEASY_API_KEY DNSMADEEASY_API_SECRET",
        |v| api(D::new_dnsmadeeasy(v.at(0), v.at(1), T))),
    row("domeneshop", "DOMENESHOP", 300, "DOMENESHOP_API_TOKEN DOMENESHOP_API_SECRET",
        |v| api(D::new_domeneshop(v.at(0), v.at(1), T))),
    row("dreamhost", "DREAMHOST", 300, "DREAMHOST_API_KEY", |v| api(D::new_dreamhost(v.at(0), T))),
    single(row("duckdns", "DUCKDNS", 300, "DUCKDNS_TOKEN", |v| api(D::new_duckdns(v.at(0), T)))),
    row("dynu", "DYNU", 300, "DYNU_API_KEY", |v| api(D::new_dynu(v.at(0), T))),
    row("easydns", "EASYDNS", 300, "EASYDNS_TOKEN EASYDNS_KEY",
        |v| api(D::new_easydns(v.at(0), v.at(1), T))),
    row("edgedns", "AKAMAI", 120, AKAMAI, |v| api(configs::akamai(v))),
    row("exoscale", "EXOSCALE", 120, "EXOSCALE_API_KEY EXOSCALE_API_SECRET",
        |v| api(D::new_exoscale(v.at(0), v.at(1), T))),
    row("fastdns", "AKAMAI", 120, AKAMAI, |v| api(configs::akamai(v))),
    row("freemyip", "FREEMYIP", 300, "FREEMYIP_TOKEN", |v| api(D::new_freemyip(v.at(0), T))),
    row("gandiv5", "GANDIV5", 300, "GANDIV5_PERSONAL_ACCESS_TOKEN",
        |v| api(D::new_gandiv5(v.at(0), T))),
    row("gcloud", "GCE", 120, GCE, |v| api(configs::google(v))),
    row("gcore", "GCORE", 120, "GCORE_PERMANENT_API_TOKEN", |v| api(D::new_gcore(v.at(0), T))),
    row("glesys", "GLESYS", 120, "GLESYS_API_USER GLESYS_API_KEY",
        |v| api(D::new_glesys(v.at(0), v.at(1), T))),
    row("godaddy", "GODADDY", 600, "GODADDY_API_KEY GODADDY_API_SECRET",
        |v| api(D::new_godaddy(v.at(0), v.at(1), T))),
    row("googlecloud", "GCE", 120, GCE, |v| api(configs::google(v))),
    row("hetzner", "HETZNER", 120, "HETZNER_API_TOKEN", |v| api(D::new_hetzner(v.at(0), T))),
    row("hostingde", "HOSTINGDE", 120, "HOSTINGDE_API_KEY", |v| api(D::new_hostingde(v.at(0), T))),
    row("hostinger", "HOSTINGER", 120, "HOSTINGER_API_TOKEN",
        |v| api(D::new_hostinger(v.at(0), T))),
    row("ibmcloud", "SOFTLAYER", 120, "SOFTLAYER_USERNAME SOFTLAYER_API_KEY",
        |v| api(D::new_ibmcloud(v.at(0), v.at(1), T))),
    row("infoblox", "INFOBLOX", 120, INFOBLOX, |v| api(configs::infoblox(v))),
    row("infomaniak", "INFOMANIAK", 300, "INFOMANIAK_ACCESS_TOKEN",
        |v| api(D::new_infomaniak(v.at(0), T))),
    row("inwx", "INWX", 300, "INWX_USERNAME INWX_PASSWORD",
        |v| api(D::new_inwx(v.at(0), v.at(1), false, T))),
    row("ionos", "IONOS", 300, "IONOS_API_KEY", |v| api(D::new_ionos(v.at(0), T))),
    row("ipv64", "IPV64", 300, "IPV64_API_KEY", |v| api(D::new_ipv64(v.at(0), T))),
    row("joker", "JOKER", 300, "JOKER_API_KEY", |v| api(configs::joker_key(v))),
    row("joker", "JOKER", 300, "JOKER_USERNAME JOKER_PASSWORD", |v| api(configs::joker(v))),
    row("lightsail", "LIGHTSAIL", 120, AWS, |v| api(configs::lightsail(v))),
    row("linode", "LINODE", 300, "LINODE_TOKEN", |v| api(D::new_linode(v.at(0), T))),
    row("linodev4", "LINODE", 300, "LINODE_TOKEN", |v| api(D::new_linode(v.at(0), T))),
    row("luadns", "LUADNS", 300, "LUADNS_API_USERNAME LUADNS_API_TOKEN",
        |v| api(D::new_luadns(v.at(0), v.at(1), T))),
    row("mythicbeasts", "MYTHICBEASTS", 120, "MYTHICBEASTS_USERNAME MYTHICBEASTS_PASSWORD",
        |v| api(D::new_mythicbeasts(v.at(0), v.at(1), T))),
    row("namecheap", "NAMECHEAP", 120, NAMECHEAP,
        |v| api(D::new_namecheap(v.at(0), v.at(1), v.at(2), NONE, T))),
    row("namedotcom", "NAMECOM", 300, "NAMECOM_USERNAME NAMECOM_API_TOKEN",
        |v| api(D::new_namedotcom(v.at(0), v.at(1), T))),
    row("namesilo", "NAMESILO", 3600, "NAMESILO_API_KEY", |v| api(D::new_namesilo(v.at(0), T))),
    row("netcup", "NETCUP", 300, NETCUP,
        |v| api(D::new_netcup(v.at(0), v.at(1), v.at(2), T))),
    row("netlify", "NETLIFY", 300, "NETLIFY_TOKEN", |v| api(D::new_netlify(v.at(0), T))),
    row("nifcloud", "NIFCLOUD", 120, "NIFCLOUD_ACCESS_KEY_ID NIFCLOUD_SECRET_ACCESS_KEY",
        |v| api(D::new_nifcloud(v.at(0), v.at(1), T))),
    row("ns1", "NS1", 120, "NS1_API_KEY", |v| api(D::new_ns1(v.at(0), T))),
    row("oraclecloud", "OCI", 120, OCI, |v| api(configs::oracle(v))),
    row("ovh", "OVH", 120, OVH,
        |v| api(D::new_ovh(v.at(1), v.at(2), v.at(3), v.at(0).parse()?, T))),
    row("pdns", "PDNS", 120, "PDNS_API_KEY PDNS_API_URL PDNS_SERVER_NAME?",
        |v| api(D::new_pdns(v.at(0), v.get(1), v.get(2), T))),
    row("porkbun", "PORKBUN", 600, "PORKBUN_API_KEY PORKBUN_SECRET_API_KEY",
        |v| api(D::new_porkbun(v.at(0), v.at(1), T))),
    row("route53", "AWS", 120, AWS_ZONE, |v| api(configs::route53(v))),
    row("safedns", "SAFEDNS", 120, "SAFEDNS_AUTH_TOKEN", |v| api(D::new_safedns(v.at(0), T))),
    row("scaleway", "SCALEWAY", 120, "SCALEWAY_API_TOKEN|SCW_SECRET_KEY",
        |v| api(D::new_scaleway(v.at(0), T))),
    row("selectelv2", "SELECTELV2", 120, SELECTEL,
        |v| api(D::new_selectel(v.at(0), v.at(1), v.at(2), v.at(3), T))),
    row("simply", "SIMPLY", 300, "SIMPLY_ACCOUNT_NAME SIMPLY_API_KEY",
        |v| api(D::new_simplycom(v.at(0), v.at(1), T))),
    row("spaceship", "SPACESHIP", 300, "SPACESHIP_API_KEY SPACESHIP_API_SECRET",
        |v| api(D::new_spaceship(v.at(0), v.at(1), T))),
    row("tencentcloud", "TENCENTCLOUD", 600, TENCENT,
        |v| api(D::new_tencentcloud(v.at(0), v.at(1), v.get(2), v.get(3), T))),
    row("transip", "TRANSIP", 300, "TRANSIP_ACCOUNT_NAME TRANSIP_PRIVATE_KEY_PATH",
        |v| api(D::new_transip(v.at(0), v.at(1), false, T))),
    row("ultradns", "ULTRADNS", 120, "ULTRADNS_USERNAME ULTRADNS_PASSWORD ULTRADNS_ENDPOINT?",
        |v| api(D::new_ultradns(v.at(0), v.at(1), v.own(2), T))),
    row("vercel", "VERCEL", 120, "VERCEL_API_TOKEN VERCEL_TEAM_ID?",
        |v| api(D::new_vercel(v.at(0), v.get(1), T))),
    row("volcengine", "VOLC", 600, VOLC, |v| api(configs::volcengine(v))),
    row("vultr", "VULTR", 120, "VULTR_API_KEY", |v| api(D::new_vultr(v.at(0), T))),
    row("websupport", "WEBSUPPORT", 600, "WEBSUPPORT_API_KEY WEBSUPPORT_SECRET",
        |v| api(D::new_websupport(v.at(0), v.at(1), T))),
    row("yandexcloud", "YANDEX_CLOUD", 120, "YANDEX_CLOUD_IAM_TOKEN YANDEX_CLOUD_FOLDER_ID",
        |v| api(configs::yandex(v))),
    row("zoneee", "ZONEEE", 300, "ZONEEE_API_USER ZONEEE_API_KEY",
        |v| api(D::new_zoneeu(v.at(0), v.at(1), T))),
];

/// Providers of Caddy v1 that the crate has not, with what to write where there is another way.
pub(super) const LACKING: &[(&str, &str)] = &[
    ("acmedns", ""),
    ("auroradns", ""),
    ("cloudxns", ""),
    ("conoha", ""),
    ("dnspod", "its zones are in Tencent Cloud: dns tencentcloud"),
    ("dyn", ""),
    ("gandi", "its zones are in LiveDNS: dns gandiv5"),
    ("httpreq", ""),
    ("otc", ""),
    ("rackspace", ""),
    ("selectel", "its version 2 is: dns selectelv2"),
    ("stackpath", ""),
    ("vscale", ""),
];
