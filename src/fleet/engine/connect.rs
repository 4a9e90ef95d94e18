//! Finds the engine, by Sentinel if there is one, and opens a connection: TLS, the login, and the
//! messages that the engine sends of itself (RESP3).

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, Pipeline, ProtocolVersion, PushInfo,
    PushKind, RedisConnectionInfo, RedisError, RedisResult, Value,
};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::{Keys, Link, Pushes, Sealed, Trouble, changed, text};
use crate::error_chain::display_chain;
use crate::fleet::place::{Place, Server};
use crate::limits::FLEET_ANSWER;
use crate::net::{dial, roots};

const NO_TLS: &str = "; if the port has no TLS, write redis://";
const FOR_TLS: &str = "; if the port is one for TLS, write rediss://";

/// Called at once with an entry that comes with a message, whatever is asked meanwhile.
pub type Early = Arc<dyn Fn(&Sealed) + Send + Sync>;

/// Where the engine is, and who asks.
#[derive(Debug)]
pub struct Engine {
    place: Place,
    /// A name that no other process has.
    machine: String,
    /// Of a cluster: the node that had the keys last.
    node: Mutex<Option<Server>>,
}

/// What came by a channel.
pub(super) struct Message {
    pub(super) channel: String,
    pub(super) content: Value,
}

/// An open connection.
pub(super) struct Wire {
    at: Server,
    asks: MultiplexedConnection,
    pushes: Pushes,
    /// The address of this end.
    local: Option<IpAddr>,
    _driver: AbortOnDropHandle<()>,
}

impl Engine {
    pub fn new(place: Place, machine: String) -> Self {
        Self { place, machine, node: Mutex::default() }
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Connects to the primary and subscribes to what changes.
    pub async fn connect(&self, early: &Early) -> Result<Link, Trouble> {
        // The node of the URL may be gone.
        let known = self.node().clone();
        if let Some(known) = known
            && let Ok(link) = self.connect_to(known, early).await
        {
            return Ok(link);
        }
        self.connect_to(self.primary().await?, early).await
    }

    async fn connect_to(&self, mut at: Server, early: &Early) -> Result<Link, Trouble> {
        let keys = Keys { prefix: self.place.prefix.clone() };
        let mut moved = false;
        loop {
            let login = self.login().set_db(self.place.database);
            let login = login.set_protocol(ProtocolVersion::RESP3);
            let mut wire = self.open(&at, &login, Some(early)).await?;
            // In a cluster another node may have the keys.
            let asked = redis::cmd("HLEN").arg(keys.versions()).to_owned();
            if let Err(error) = wire.query::<i64>(&asked).await {
                let node = error.redirect_node().filter(|_| !moved);
                let Some(node) = node.and_then(|(node, _slot)| node_at(node, &at.host)) else {
                    return Err(explained(&at, &error));
                };
                *self.node() = Some(node.clone());
                (at, moved) = (node, true);
                continue;
            }
            wire.ask::<()>(redis::cmd("SUBSCRIBE").arg(keys.channel())).await?;
            let (machine, place) = (self.machine.clone(), at.to_string());
            let local = wire.local;
            return Ok(Link { wire, keys, machine, place, local });
        }
    }

    fn node(&self) -> MutexGuard<'_, Option<Server>> {
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server to ask, which the first Sentinel that answers knows.
    async fn primary(&self) -> Result<Server, Trouble> {
        let Some(name) = &self.place.primary else {
            let first = self.place.servers.first();
            return first.cloned().ok_or_else(|| Trouble("no host".to_owned()));
        };
        let mut last = Trouble("no Sentinel".to_owned());
        for server in &self.place.servers {
            match self.ask_sentinel(server, name).await {
                Ok(Some(primary)) => return Ok(primary),
                Ok(None) => last = Trouble(format!("{server}: Sentinel knows no primary '{name}'")),
                Err(trouble) => last = trouble,
            }
        }
        Err(last)
    }

    /// The primary as a Sentinel knows it. One that asks for a login gets that of the engine.
    async fn ask_sentinel(&self, at: &Server, name: &str) -> Result<Option<Server>, Trouble> {
        type Found = Option<(String, u16)>;
        let asked = redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name).to_owned();
        let mut wire = self.open(at, &nobody(), None).await?;
        let found: Found = match wire.query(&asked).await {
            Err(error) if error.code() == Some("NOAUTH") => {
                let with = |Trouble(why): Trouble, advice: &str| {
                    let why = why.split(';').next().unwrap_or_default();
                    Trouble(format!("{why}; Sentinel asks for a login, {advice}"))
                };
                if self.place.password.is_none() {
                    let advice = "that of the engine: write redis+sentinel://USER:PASSWORD@HOST";
                    return Err(with(explained(at, &error), advice));
                }
                let opened = self.open(at, &self.login(), None).await;
                let mut wire = opened.map_err(|trouble| {
                    with(trouble, "and is given that of the engine in the URL: let it be the same")
                })?;
                wire.ask(&asked).await?
            }
            found => found.map_err(|error| explained(at, &error))?,
        };
        Ok(found.map(|(host, port)| Server { host, port }))
    }

    fn login(&self) -> RedisConnectionInfo {
        let mut login = nobody();
        if let Some(user) = &self.place.user {
            login = login.set_username(user);
        }
        if let Some(password) = &self.place.password {
            login = login.set_password(password);
        }
        login
    }

    async fn open(
        &self,
        at: &Server,
        login: &RedisConnectionInfo,
        early: Option<&Early>,
    ) -> Result<Wire, Trouble> {
        let Server { host, port } = at;
        let named = |why: String| Trouble(format!("{at}: {why}"));
        let deadline = Instant::now() + FLEET_ANSWER;
        let stream = dial::host((host.as_str(), *port), deadline).await;
        let stream = stream.map_err(|error| named(display_chain(&error)))?;
        let local = stream.local_addr().ok().map(|local| local.ip().to_canonical());
        let opened = async {
            if !self.place.is_tls {
                return Wire::over(at, self.place.is_tls, stream, login, early).await;
            }
            let failed = |error: String| named(format!("TLS: {error}"));
            let name = ServerName::try_from(host.clone())
                .map_err(|error| failed(display_chain(&error)))?;
            let connector = TlsConnector::from(trust().map_err(failed)?);
            let stream = connector.connect(name, stream).await;
            let stream = stream.map_err(|error| failed(no_session(&error)))?;
            Wire::over(at, self.place.is_tls, stream, login, early).await
        };
        let over = if self.place.is_tls { format!(" over TLS{NO_TLS}") } else { String::new() };
        let late = |_| named(format!("no answer within {FLEET_ANSWER:?}{over}"));
        let wire = timeout(FLEET_ANSWER, opened).await.map_err(late)??;
        Ok(Wire { local, ..wire })
    }
}

impl Wire {
    async fn over<S>(
        at: &Server,
        is_tls: bool,
        stream: S,
        login: &RedisConnectionInfo,
        early: Option<&Early>,
    ) -> Result<Self, Trouble>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, pushes) = unbounded_channel();
        let mut config = AsyncConnectionConfig::new().set_response_timeout(Some(FLEET_ANSWER));
        if let Some(early) = early.cloned() {
            config = config.set_push_sender(move |push: PushInfo| {
                if let Some(sealed) = carried(&push) {
                    early(&sealed);
                }
                sender.send(push)
            });
        }
        let opened = MultiplexedConnection::new_with_config(login, stream, config).await;
        let (asks, driver) = opened.map_err(|error| {
            let Trouble(why) = explained(at, &error);
            let is_closed = error.is_io_error() && !error.is_timeout() && !is_tls;
            Trouble(if is_closed { why + FOR_TLS } else { why })
        })?;
        let (at, local) = (at.clone(), None);
        Ok(Self { at, asks, pushes, local, _driver: AbortOnDropHandle::new(tokio::spawn(driver)) })
    }

    async fn query<T: FromRedisValue>(&mut self, asked: &Cmd) -> RedisResult<T> {
        asked.query_async(&mut self.asks).await
    }

    pub(super) async fn ask<T: FromRedisValue>(&mut self, asked: &Cmd) -> Result<T, Trouble> {
        self.query(asked).await.map_err(|error| explained(&self.at, &error))
    }

    pub(super) async fn ask_all<T: FromRedisValue>(
        &mut self,
        asked: &Pipeline,
    ) -> Result<T, Trouble> {
        let answers = asked.query_async(&mut self.asks).await;
        answers.map_err(|error: RedisError| {
            let all = error.clone().into_server_errors();
            let first = all.and_then(|all| Some(RedisError::from(all.first()?.1.clone())));
            explained(&self.at, &first.unwrap_or(error))
        })
    }

    /// The next message; `None` when the connection has ended.
    pub(super) async fn message(&mut self) -> Option<Message> {
        loop {
            let push = self.pushes.recv().await?;
            if push.kind == PushKind::Disconnection {
                return None;
            }
            if let Some(message) = message(push) {
                return Some(message);
            }
        }
    }

    /// A message that has come already. That the connection has ended shows at the next question.
    pub(super) fn message_that_came(&mut self) -> Option<Message> {
        loop {
            let push = self.pushes.try_recv().ok()?;
            if let Some(message) = message(push) {
                return Some(message);
            }
        }
    }
}

fn message(push: PushInfo) -> Option<Message> {
    if push.kind != PushKind::Message {
        return None;
    }
    let [channel, content] = push.data.try_into().ok()?;
    let channel = text(&channel)?;
    Some(Message { channel, content })
}

/// Why there is no TLS session.
fn no_session(error: &io::Error) -> String {
    match error.get_ref().and_then(|cause| cause.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(_)) => display_chain(error),
        Some(rustls::Error::InvalidMessage(_)) => format!("the server does not speak it{NO_TLS}"),
        _ => display_chain(error) + NO_TLS,
    }
}

/// Without a login.
fn nobody() -> RedisConnectionInfo {
    RedisConnectionInfo::default().set_skip_set_lib_name()
}

/// The entry that comes with a message.
fn carried(push: &PushInfo) -> Option<Sealed> {
    let [_, content] = &push.data[..] else { return None };
    (push.kind == PushKind::Message).then(|| changed(content)?.1).flatten()
}

/// The node of a redirection, `HOST:PORT`; without a host it is that of the node that was asked.
fn node_at(node: &str, asked: &str) -> Option<Server> {
    let (host, port) = node.rsplit_once(':')?;
    let host = if host.is_empty() { asked } else { host };
    Some(Server { host: host.to_owned(), port: port.parse().ok()? })
}

fn explained(at: &Server, error: &RedisError) -> Trouble {
    Trouble(format!("{at}: {}", why(error)))
}

/// What the engine said, with what to do about it.
fn why(error: &RedisError) -> String {
    if error.is_timeout() {
        return format!("no answer within {FLEET_ANSWER:?}");
    }
    let said = match error.code() {
        Some(code) => format!("{code} {}", error.detail().unwrap_or_default()),
        None => error.to_string(),
    };
    let advice = match error.code() {
        Some("WRONGPASS") => "; check user and password in the URL of -fleet",
        Some("NOAUTH") => "; write the password: -fleet redis://:PASSWORD@HOST",
        Some("NOPERM") => "; docs/fleet.md says what the user must be allowed",
        _ if error.kind() == ErrorKind::Parse => "; this is no server of the Redis protocol",
        // Within a script Redis 6 gives it no code of its own.
        _ if said.contains("OOM command not allowed") => "; its memory is full: raise maxmemory",
        Some("READONLY") => "; this is a replica: -fleet must name the primary, or Sentinels",
        _ if error.kind() == ErrorKind::AuthenticationFailed => {
            "; check user and password in the URL of -fleet"
        }
        _ => "",
    };
    format!("{}{advice}", said.trim_end())
}

fn trust() -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots::read()?)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirection_names_the_node() {
        let node = |text| node_at(text, "asked").map(|node| format!("{}|{}", node.host, node.port));
        assert_eq!(node("10.0.0.1:7904").as_deref(), Some("10.0.0.1|7904"));
        assert_eq!(node(":7904").as_deref(), Some("asked|7904"));
        assert_eq!(node("::1:7904").as_deref(), Some("::1|7904"));
        assert_eq!(node("10.0.0.1"), None);
    }
}
