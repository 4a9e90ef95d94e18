//! An ACME order, from the request to the certificate chain (RFC 8555 section 7.4). It is stored
//! first, so that another process can resume it.

use std::time::{Duration, Instant};

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeStatus, ChallengeType, Error,
    Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use serde_json::{Value, json};

use super::challenge_answers::ChallengeAnswer;
use super::failure::{Failure, Kind, kind_of};
use super::places::Places;
use super::settings::Challenge;
use crate::tls::certificate_spec::CertificateSpec;
use crate::tls::challenges::Answer;
use crate::tls::dns::{self, Dns};
use crate::tls::https_client::{asked_again, for_one_order};
use crate::tls::names::address;
use crate::tls::storage::Storage;

/// Polling of the CA while it validates or signs: the first pause, by how much each is longer than
/// the one before, and for how long in all.
const FIRST: Duration = Duration::from_millis(250);
const BACKOFF: f32 = 1.5;
const PATIENCE: Duration = Duration::from_secs(90);
const SIGNING: RetryPolicy =
    RetryPolicy::new().initial_delay(FIRST).backoff(BACKOFF).timeout(PATIENCE);
/// The TLS feature extension with `status_request` (RFC 7633).
const TLS_FEATURE: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 24];
const MUST_STAPLE: &[u8] = &[0x30, 0x03, 0x02, 0x01, 0x05];

/// The profile for addresses: Let's Encrypt has no other for them.
const SHORT_LIVED: &str = "shortlived";

/// The inputs of an order.
pub(super) struct Job<'a> {
    pub(super) account: &'a Account,
    pub(super) spec: &'a CertificateSpec,
    pub(super) places: &'a Places,
    pub(super) store: &'a dyn Storage,
    /// The certificate to be replaced (RFC 9773 section 5).
    pub(super) replaces: Option<CertificateIdentifier<'static>>,
}

/// An issued chain and its key, in PEM.
pub(super) struct Issued {
    pub(super) chain: String,
    pub(super) key: String,
}

impl Job<'_> {
    /// Obtains the certificate with this challenge type.
    pub(super) async fn run(&self, challenge: Challenge) -> Result<Issued, Failure> {
        let (done, later) = for_one_order(self.obtain(challenge)).await;
        done.map_err(|failure| match later {
            Some(at) if failure.kind == Kind::Busy(None) => {
                Failure { kind: Kind::Busy(Some(at)), ..failure }
            }
            _ => failure,
        })
    }

    async fn obtain(&self, challenge: Challenge) -> Result<Issued, Failure> {
        if let Some((order, key)) = self.resume().await? {
            match self.finish(order, key, challenge).await {
                Err(failure) if failure.kind == Kind::Refused => {
                    log::info!("{}: the earlier order cannot be used: {failure}", self.spec.name);
                    self.store.remove(&self.places.order())?;
                }
                done => return done,
            }
        }
        let (order, key) = self.start().await?;
        let done = self.finish(order, key, challenge).await;
        if done.as_ref().is_err_and(|failure| failure.kind == Kind::Refused) {
            self.store.remove(&self.places.order())?;
        }
        done
    }

    async fn start(&self) -> Result<(Order, KeyPair), Failure> {
        let key =
            self.spec.key_type.generate().map_err(|error| Failure::trouble(error.to_string()))?;
        let name = || Identifier::Dns(self.spec.name.clone());
        let names = [address(&self.spec.name).map_or_else(name, Identifier::Ip)];
        let profile = self.profile()?;
        // Fails on an unwritable storage before the CA is contacted.
        self.note("", &key)?;
        let order = match self.ask(&names, profile).await {
            Ok(order) => order,
            Err(error) => {
                self.store.remove(&self.places.order())?;
                return Err(error.into());
            }
        };
        self.note(order.url(), &key)?;
        Ok((order, key))
    }

    /// The profile to request, if the CA has profiles.
    fn profile(&self) -> Result<Option<&str>, Failure> {
        let Some(profile) = self.spec.profile.as_deref() else {
            let is_there = || self.account.profiles().any(|profile| profile.name == SHORT_LIVED);
            let is_best = address(&self.spec.name).is_some() && is_there();
            return Ok(is_best.then_some(SHORT_LIVED));
        };
        let mut there: Vec<_> = self.account.profiles().map(|profile| profile.name).collect();
        there.sort_unstable();
        if there.is_empty() {
            let (name, ca) = (&self.spec.name, &self.spec.ca);
            log::warn!("{name}: {ca} has no profiles: 'profile {profile}' is ignored");
            return Ok(None);
        }
        let why = || format!("the CA has no profile '{profile}'; it has {}", there.join(", "));
        there.contains(&profile).then_some(Some(profile)).ok_or_else(|| Failure::refused(why()))
    }

    async fn ask(&self, names: &[Identifier], profile: Option<&str>) -> Result<Order, Error> {
        let wish = || match profile {
            Some(profile) => NewOrder::new(names).profile(profile),
            None => NewOrder::new(names),
        };
        let Some(old) = &self.replaces else { return self.account.new_order(&wish()).await };
        match self.account.new_order(&wish().replaces(old.clone())).await {
            // The CA may not support `replaces`, or refuse it; it is optional.
            Err(error) if !matches!(kind_of(&error), Kind::Busy(_)) => {
                self.account.new_order(&wish()).await
            }
            asked => asked,
        }
    }

    fn note(&self, url: &str, key: &KeyPair) -> Result<(), Failure> {
        let kept = json!({ "url": url, "key": key.serialize_pem() });
        Ok(self.store.write(&self.places.order(), kept.to_string().as_bytes())?)
    }

    /// Resumes the order of an earlier process.
    async fn resume(&self) -> Result<Option<(Order, KeyPair)>, Failure> {
        let Some(bytes) = self.store.read(&self.places.order())? else { return Ok(None) };
        let kept: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let key = kept["key"].as_str().and_then(|pem| KeyPair::from_pem(pem).ok());
        let (Some(url), Some(key)) = (kept["url"].as_str(), key) else {
            self.store.set_aside_damaged(&self.places.order(), "not an order")?;
            return Ok(None);
        };
        if url.is_empty() {
            self.store.remove(&self.places.order())?;
            // Counted as a failure, so that a restart loop backs off.
            let text = "an earlier process ended while it requested an order";
            return Err(Failure::trouble(text));
        }
        match self.account.order(url.to_owned()).await {
            Ok(mut order) => {
                let usable = order.state().status != OrderStatus::Invalid;
                Ok(usable.then_some((order, key)))
            }
            Err(error) if kind_of(&error) == Kind::Refused => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn finish(
        &self,
        mut order: Order,
        key: KeyPair,
        challenge: Challenge,
    ) -> Result<Issued, Failure> {
        if order.state().status == OrderStatus::Pending {
            self.validate(&mut order, challenge).await?;
        }
        if order.state().status == OrderStatus::Ready
            && let Err(error) = order.finalize_csr(&self.request(&key)?).await
        {
            // Another machine may have done so at the same moment, with the same key.
            let is_under_way = order.refresh().await.is_ok_and(|state| {
                matches!(state.status, OrderStatus::Processing | OrderStatus::Valid)
            });
            if !is_under_way {
                return Err(error.into());
            }
        }
        let chain = order.poll_certificate(&SIGNING).await?;
        Ok(Issued { chain, key: key.serialize_pem() })
    }

    /// Responds to the challenges and waits for the validation.
    async fn validate(&self, order: &mut Order, challenge: Challenge) -> Result<(), Failure> {
        let mut answers = Vec::new();
        let mut records = Vec::new();
        let mut shared = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            match authorization.status {
                AuthorizationStatus::Valid => continue,
                AuthorizationStatus::Pending => {}
                other => return Err(Failure::refused(format!("the authorization is {other:?}"))),
            }
            let mut offered = authorization.challenge(challenge.kind()).ok_or_else(|| {
                Failure::refused(format!("the CA does not offer {challenge} for this name"))
            })?;
            let proof = offered.key_authorization();
            match (challenge, &self.spec.dns) {
                (Challenge::Http, _) => {
                    answers.push(Answer::http(&offered.token, proof.as_str()));
                    let proof =
                        ChallengeAnswer::Http { token: &offered.token, answer: proof.as_str() };
                    shared.push(proof.share(self.store, &self.spec.name).await?);
                }
                (Challenge::TlsAlpn, _) => {
                    let digest = proof.digest();
                    let answer = Answer::tls(&self.spec.name, digest.as_ref());
                    answers.push(answer.map_err(Failure::trouble)?);
                    let proof = ChallengeAnswer::Tls { digest: digest.as_ref() };
                    shared.push(proof.share(self.store, &self.spec.name).await?);
                }
                (Challenge::Dns, Some(provider)) => {
                    records.push(self.publish(provider, &proof.dns_value()).await?);
                }
                (Challenge::Dns, None) => return Err(Failure::refused("'dns' is not set")),
            }
            // In a resumed order the challenge may already be in progress.
            if offered.status == ChallengeStatus::Pending {
                offered.set_ready().await?;
            }
        }
        let verdict = judged(order).await;
        for record in records {
            record.remove().await;
        }
        drop((answers, shared));
        match verdict? {
            OrderStatus::Invalid => {
                Err(Failure::refused(format!("{challenge} failed: {}", reason(order).await)))
            }
            _ => Ok(()),
        }
    }

    async fn publish(&self, provider: &Dns, value: &str) -> Result<dns::Record, Failure> {
        provider.publish(&self.spec.name, value).await.map_err(Failure::trouble)
    }

    /// The certificate signing request.
    fn request(&self, key: &KeyPair) -> Result<Vec<u8>, Failure> {
        let failed = |error: rcgen::Error| Failure::trouble(error.to_string());
        let mut params = CertificateParams::new(vec![self.spec.name.clone()]).map_err(failed)?;
        params.distinguished_name = DistinguishedName::new();
        if self.spec.must_staple {
            let demand = CustomExtension::from_oid_content(TLS_FEATURE, MUST_STAPLE.to_vec());
            params.custom_extensions.push(demand);
        }
        Ok(params.serialize_request(key).map_err(failed)?.der().to_vec())
    }
}

/// Waits until the CA has judged the challenges. Unlike [`Order::poll_ready`] it does not wait for
/// an order to be ready that another machine, or an earlier process, has gone on with meanwhile.
async fn judged(order: &mut Order) -> Result<OrderStatus, Error> {
    let end = Instant::now() + PATIENCE;
    let mut pause = FIRST;
    loop {
        tokio::time::sleep(asked_again().unwrap_or(pause).min(PATIENCE)).await;
        pause = pause.mul_f32(BACKOFF);
        let state = order.refresh().await?;
        if let Some(problem) = &state.error {
            return Err(Error::Api(problem.clone()));
        }
        if state.status != OrderStatus::Pending {
            return Ok(state.status);
        }
        if Instant::now() + asked_again().unwrap_or(pause) > end {
            return Err(Error::Timeout(None));
        }
    }
}

/// The CA's reason for a failed validation.
async fn reason(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(authorization)) = authorizations.next().await {
        for challenge in &authorization.challenges {
            if let Some(problem) = &challenge.error {
                return problem.detail.clone().unwrap_or_else(|| problem.to_string());
            }
        }
    }
    "the CA gives no reason".to_owned()
}

impl Challenge {
    fn kind(self) -> ChallengeType {
        match self {
            Self::Http => ChallengeType::Http01,
            Self::TlsAlpn => ChallengeType::TlsAlpn01,
            Self::Dns => ChallengeType::Dns01,
        }
    }
}
