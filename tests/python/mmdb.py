"""Writes a database in MaxMind's format: mmdb.py FILE TYPE JSON, an object of networks and records."""

import json
import sys

from mmdb_writer import MMDBWriter
from netaddr import IPSet

file, kind, networks = sys.argv[1:]
writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type=kind)
for network, record in json.loads(networks).items():
    writer.insert_network(IPSet([network]), record)
writer.to_db_file(file)
