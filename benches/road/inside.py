"""What the clients share: they run on a road only, and answer one line of JSON with another."""

import json
import socket
import sys
import traceback


def refuse_elsewhere():
    """Addresses of a road exist in its namespaces only; elsewhere requests would go who knows
    where."""
    if "road" not in {name for _, name in socket.if_nameindex()}:
        sys.exit(f"{sys.argv[0]}: this client runs only on a road that benches/road/run has made")


def answer(handle):
    """Answers each line of standard input until its end."""
    for line in sys.stdin:
        try:
            found = handle(json.loads(line))
        except Exception:
            found = {"problem": traceback.format_exc()}
        print(json.dumps(found), flush=True)
