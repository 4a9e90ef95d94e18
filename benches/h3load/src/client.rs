//! One QUIC connection: its requests in flight, and the judgement of what comes back.

use std::time::{Duration, Instant};

use quiche::h3::{self, Header, NameValue};

use crate::options::{Options, Reuse};
use crate::tally::Tally;
use crate::udp::{Batch, DATAGRAM, Socket};

/// What all connections share: the request, and scratch space.
pub struct Work {
    pub options: Options,
    head: Vec<Header>,
    datagrams: Vec<u8>,
    body: Vec<u8>,
    batch: Batch,
    pub tally: Tally,
}

impl Work {
    pub fn new(options: &Options) -> Self {
        let method = if options.upload.is_some() { "POST" } else { "GET" };
        let authority = format!("{}:{}", options.host, options.peer.port());
        let field = |name: &str, value: &str| Header::new(name.as_bytes(), value.as_bytes());
        let mut head = vec![
            field(":method", method),
            field(":scheme", "https"),
            field(":authority", &authority),
            field(":path", &options.path),
            field("user-agent", "h3load"),
        ];
        if let Some(upload) = &options.upload {
            head.push(field("content-length", &upload.len().to_string()));
        }
        head.extend(options.fields.iter().map(|(name, value)| field(name, value)));
        Self {
            options: options.clone(),
            head,
            datagrams: vec![0; 1 << 16],
            body: vec![0; 1 << 16],
            batch: Batch::new(),
            tally: Tally::default(),
        }
    }
}

/// A request that was sent and is not yet answered in full.
struct Flight {
    stream: u64,
    since: Instant,
    status: bool,
    announced: Option<u64>,
    received: u64,
    uploaded: usize,
    differs: bool,
}

pub struct Client {
    pub socket: Socket,
    quic: quiche::Connection,
    http: Option<h3::Connection>,
    flights: Vec<Flight>,
    timer: Option<Instant>,
    opened: Instant,
    pub closed: bool,
    pub answered: u64,
}

impl Client {
    pub fn connect(
        work: &mut Work,
        config: &mut quiche::Config,
        id: u64,
        session: Option<&[u8]>,
    ) -> Result<Self, String> {
        let socket = Socket::connect(work.options.peer)?;
        let name = quiche::ConnectionId::from_vec(id.to_be_bytes().to_vec());
        let host = Some(work.options.host.as_str());
        let mut quic = quiche::connect(host, &name, socket.local, work.options.peer, config)
            .map_err(|error| format!("a QUIC connection: {error}"))?;
        if let Some(session) = session {
            quic.set_session(session).map_err(|error| format!("a TLS session: {error}"))?;
        }
        let mut client = Self {
            socket,
            quic,
            http: None,
            flights: Vec::new(),
            timer: None,
            opened: Instant::now(),
            closed: false,
            answered: 0,
        };
        client.flush(work)?;
        Ok(client)
    }

    pub fn is_ready(&self) -> bool {
        self.http.is_some()
    }

    pub fn is_idle(&self) -> bool {
        self.flights.is_empty()
    }

    /// The TLS session that the server gave this connection.
    pub fn session(&self) -> Option<Vec<u8>> {
        self.quic.session().map(<[u8]>::to_vec)
    }

    pub fn is_resumed(&self) -> bool {
        self.quic.is_resumed()
    }

    pub fn lost(&self) -> u64 {
        self.quic.stats().lost as u64
    }

    /// Takes what has arrived, and judges what that completes.
    pub fn receive(&mut self, work: &mut Work) -> Result<(), String> {
        let from = work.options.peer;
        // A bound, so that one connection does not starve the others.
        for _ in 0..16 {
            let Some((length, segment)) = self.socket.receive(&mut work.datagrams)? else { break };
            for datagram in work.datagrams[..length].chunks_mut(segment) {
                // What cannot be read as QUIC is dropped; the connection's own end shows below.
                let _ = self.quic.recv(datagram, quiche::RecvInfo { from, to: self.socket.local });
            }
        }
        if self.http.is_none() && self.quic.is_established() {
            let config = h3::Config::new().map_err(|error| error.to_string())?;
            let http = h3::Connection::with_transport(&mut self.quic, &config)
                .map_err(|error| format!("HTTP/3: {error}"))?;
            self.http = Some(http);
        }
        self.poll(work);
        self.upload(work);
        Ok(())
    }

    fn poll(&mut self, work: &mut Work) {
        loop {
            let Some(http) = &mut self.http else { return };
            match http.poll(&mut self.quic) {
                Ok((stream, h3::Event::Headers { list, .. })) => self.head(stream, &list, work),
                Ok((stream, h3::Event::Data)) => self.data(stream, work),
                Ok((stream, h3::Event::Finished)) => self.finished(stream, work),
                Ok((stream, h3::Event::Reset(code))) => {
                    if self.take(stream).is_some() {
                        work.tally.failed(|| format!("a stream was reset with {code:#x}"));
                    }
                }
                Ok(_) => {}
                Err(h3::Error::Done) => return,
                Err(error) => {
                    work.tally.failed(|| format!("HTTP/3: {error}"));
                    return;
                }
            }
        }
    }

    fn head(&mut self, stream: u64, list: &[Header], work: &mut Work) {
        let Some(flight) = self.flights.iter_mut().find(|flight| flight.stream == stream) else {
            return;
        };
        for field in list {
            let value = String::from_utf8_lossy(field.value());
            match field.name() {
                b":status" if value == "200" => flight.status = true,
                b":status" => {
                    work.tally.non200 += 1;
                    work.tally.first_problem.get_or_insert(format!("status {value}"));
                }
                b"content-length" => flight.announced = value.parse().ok(),
                _ => {}
            }
        }
    }

    fn data(&mut self, stream: u64, work: &mut Work) {
        let Some(http) = &mut self.http else { return };
        let flight = self.flights.iter_mut().find(|flight| flight.stream == stream);
        let Some(flight) = flight else { return };
        while let Ok(length) = http.recv_body(&mut self.quic, stream, &mut work.body) {
            if let Some(expect) = &work.options.expect {
                let from = flight.received as usize;
                flight.differs |= expect.get(from..from + length) != Some(&work.body[..length]);
            }
            flight.received += length as u64;
            work.tally.bytes += length as u64;
        }
    }

    fn finished(&mut self, stream: u64, work: &mut Work) {
        let Some(flight) = self.take(stream) else { return };
        let wanted = &work.options;
        let expected = wanted.expect.as_ref().map(|body| body.len() as u64);
        let lengths = [wanted.length, expected, flight.announced];
        let received = flight.received;
        if lengths.iter().flatten().any(|length| *length != received) || received == 0 {
            work.tally.failed(|| format!("a body of {received} bytes, not {lengths:?}"));
        } else if flight.differs {
            work.tally.failed(|| "a body differs from what was expected".to_owned());
        } else if flight.status {
            self.answered += 1;
            work.tally.answered(flight.since.elapsed());
        } else {
            work.tally.failed(|| "a response without status 200".to_owned());
        }
    }

    fn take(&mut self, stream: u64) -> Option<Flight> {
        let at = self.flights.iter().position(|flight| flight.stream == stream)?;
        Some(self.flights.swap_remove(at))
    }

    /// Sends one more request; false when the peer has no stream for it now.
    pub fn request(&mut self, work: &mut Work) -> bool {
        let Some(http) = &mut self.http else { return false };
        let whole = work.options.upload.is_none();
        let Ok(stream) = http.send_request(&mut self.quic, &work.head, whole) else { return false };
        // The latency of a request that has a connection of its own includes the handshake.
        let kept = work.options.reuse == Reuse::Keep;
        self.flights.push(Flight {
            stream,
            since: if kept { Instant::now() } else { self.opened },
            status: false,
            announced: None,
            received: 0,
            uploaded: 0,
            differs: false,
        });
        self.upload(work);
        true
    }

    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    fn upload(&mut self, work: &Work) {
        let (Some(http), Some(upload)) = (&mut self.http, &work.options.upload) else { return };
        for flight in &mut self.flights {
            while flight.uploaded < upload.len() {
                let rest = &upload[flight.uploaded..];
                match http.send_body(&mut self.quic, flight.stream, rest, true) {
                    Ok(sent) if sent > 0 => flight.uploaded += sent,
                    _ => break,
                }
            }
        }
    }

    /// Sends all that QUIC has to send, and notices the connection's end.
    pub fn flush(&mut self, work: &mut Work) -> Result<(), String> {
        while let Ok((length, _)) = self.quic.send(work.batch.room()) {
            work.batch.add(length, &self.socket)?;
        }
        work.batch.leave(&self.socket)?;
        self.timer = self.quic.timeout().map(|after| Instant::now() + after);
        if self.quic.is_closed() && !self.closed {
            self.closed = true;
            let reason = || {
                let (peer, own) = (self.quic.peer_error(), self.quic.local_error());
                format!("a connection ended (by the peer: {peer:?}; here: {own:?})")
            };
            for _ in 0..self.flights.len().max(usize::from(self.http.is_none())) {
                work.tally.failed(reason);
            }
            self.flights.clear();
        }
        Ok(())
    }

    pub fn expire(&mut self, now: Instant, work: &mut Work) -> Result<(), String> {
        if !self.closed && self.timer.is_some_and(|timer| timer <= now) {
            self.quic.on_timeout();
            self.flush(work)?;
        }
        Ok(())
    }

    /// Says goodbye; the server need not wait for its idle time-out.
    pub fn close(&mut self, work: &mut Work) -> Result<(), String> {
        if !self.closed {
            self.closed = true;
            self.flights.clear();
            let _ = self.quic.close(true, h3::WireErrorCode::NoError as u64, b"");
            while let Ok((length, _)) = self.quic.send(work.batch.room()) {
                work.batch.add(length, &self.socket)?;
            }
            work.batch.leave(&self.socket)?;
        }
        Ok(())
    }
}

/// The transport's settings: windows wide enough never to be what limits a server.
pub fn config() -> Result<quiche::Config, quiche::Error> {
    const WINDOW: u64 = 32 << 20;
    let mut config = quiche::Config::new(quiche::PROTOCOL_VERSION)?;
    config.verify_peer(false);
    config.set_application_protos(h3::APPLICATION_PROTOCOL)?;
    config.set_max_idle_timeout(Duration::from_secs(600).as_millis() as u64);
    config.set_max_recv_udp_payload_size(DATAGRAM);
    config.set_max_send_udp_payload_size(1350);
    config.set_initial_max_data(WINDOW);
    config.set_initial_max_stream_data_bidi_local(WINDOW);
    config.set_initial_max_stream_data_uni(1 << 20);
    config.set_max_connection_window(WINDOW);
    config.set_max_stream_window(WINDOW);
    config.set_initial_max_streams_uni(16);
    config.set_disable_active_migration(true);
    Ok(config)
}
