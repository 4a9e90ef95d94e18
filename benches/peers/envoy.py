"""Envoy's configuration, tuned: its defaults lose packets on HTTP/3.

Datagrams are read with GRO and written with GSO, sockets have the buffers that the kernel allows,
flow-control windows are wide, and no circuit breaker is in the way.
"""

import json

from configs import FIELD, IDLE, LEVEL

API = "type.googleapis.com/envoy.extensions."
BUFFER = 4 * 1024 * 1024
WINDOW = 16 * 1024 * 1024
SOL_SOCKET, SO_SNDBUF, SO_RCVBUF = 1, 7, 8


def envoy(place, setup):
    listeners = [_listener(place, setup, quic) for quic in (False, True)]
    static = {"listeners": listeners, "clusters": [_cluster(place)]}
    return {"envoy.json": json.dumps({"static_resources": static}, indent=1)}


def _listener(place, setup, quic):
    address = {"address": "127.0.0.1", "port_value": place.port}
    listener = {
        "name": "quic" if quic else "tcp",
        "address": {"socket_address": {**address, "protocol": "UDP" if quic else "TCP"}},
        "enable_reuse_port": True,
        "per_connection_buffer_limit_bytes": 1024 * 1024,
        "filter_chains": [{"filters": [_manager(setup, quic)], "transport_socket": _tls(place, quic)}],
    }
    if quic:
        listener["socket_options"] = [
            {"level": SOL_SOCKET, "name": name, "int_value": BUFFER, "state": "STATE_PREBIND"}
            for name in (SO_SNDBUF, SO_RCVBUF)
        ]
        listener["udp_listener_config"] = {
            "downstream_socket_config": {"prefer_gro": True},
            "udp_packet_packet_writer_config": {
                "name": "gso",
                "typed_config": {"@type": API + "udp_packet_writer.v3.UdpGsoBatchWriterFactory"},
            },
            "quic_options": {"quic_protocol_options": _quic()},
        }
    return listener


def _quic():
    return {
        "max_concurrent_streams": 128,
        "initial_stream_window_size": WINDOW,
        "initial_connection_window_size": WINDOW,
        "connection_keepalive": {},
    }


def _manager(setup, quic):
    config = {
        "@type": API + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "codec_type": "HTTP3" if quic else "AUTO",
        "stat_prefix": "in",
        "use_remote_address": True,
        "generate_request_id": False,
        "common_http_protocol_options": {"idle_timeout": f"{IDLE}s"},
        "route_config": {"virtual_hosts": [_host(setup)]},
        "http_filters": _filters(setup),
    }
    if quic:
        config["http3_protocol_options"] = {"quic_protocol_options": _quic()}
    if setup.log_and_header:
        file = {"@type": API + "access_loggers.file.v3.FileAccessLog", "path": "access.log"}
        config["access_log"] = [{"name": "file", "typed_config": file}]
    return {"name": "http", "typed_config": config}


def _host(setup):
    route = {"match": {"prefix": "/"}, "route": {"cluster": "origin", "timeout": "0s"}}
    if setup.log_and_header:
        field = {"key": FIELD[0], "value": FIELD[1]}
        route["response_headers_to_add"] = [{"header": field}]
    return {"name": "all", "domains": ["*"], "routes": [route]}


def _filters(setup):
    filters = []
    if setup.gzip:
        library = {
            "name": "gzip",
            "typed_config": {
                "@type": API + "compression.gzip.compressor.v3.Gzip",
                "compression_level": f"COMPRESSION_LEVEL_{LEVEL}",
            },
        }
        compressor = API + "filters.http.compressor.v3.Compressor"
        filters.append(
            {"name": "gzip", "typed_config": {"@type": compressor, "compressor_library": library}}
        )
    router = {"@type": API + "filters.http.router.v3.Router", "suppress_envoy_headers": True}
    return [*filters, {"name": "router", "typed_config": router}]


def _tls(place, quic):
    certificate = {
        "certificate_chain": {"filename": place.cert},
        "private_key": {"filename": place.key},
    }
    common = {"tls_certificates": [certificate], "alpn_protocols": ["h2", "http/1.1"]}
    if quic:
        common["alpn_protocols"] = ["h3"]
    context = {"common_tls_context": common}
    if not quic:
        kind = API + "transport_sockets.tls.v3.DownstreamTlsContext"
        return {"name": "tls", "typed_config": {"@type": kind, **context}}
    kind = API + "transport_sockets.quic.v3.QuicDownstreamTransport"
    return {"name": "quic", "typed_config": {"@type": kind, "downstream_tls_context": context}}


def _cluster(place):
    address = {"address": "127.0.0.1", "port_value": place.origin_port}
    endpoint = {"endpoint": {"address": {"socket_address": address}}}
    many = 1_000_000
    limits = {name: many for name in ("max_connections", "max_pending_requests", "max_requests")}
    return {
        "name": "origin",
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": "origin", "endpoints": [{"lb_endpoints": [endpoint]}]},
        "circuit_breakers": {"thresholds": [limits]},
    }
