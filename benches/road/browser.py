"""Headless Chromium, spoken to over its debugging pipe: each page in a browser context of its own,
so with no connection, session or cache of the page before.

Arguments: the host, the server's address, the hash of its key, and the ports with HTTP/3; where
there are none, Chromium has no QUIC at all.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import inside

PATIENCE = 60.0
PAINT_PATIENCE = 1.0
FIGURES = """JSON.stringify((() => {
  const page = performance.getEntriesByType('navigation')[0];
  const paint = performance.getEntriesByName('first-paint')[0];
  const parts = performance.getEntriesByType('resource');
  return {load: page.loadEventEnd, first: page.responseStart, paint: paint ? paint.startTime : null,
    protocol: page.nextHopProtocol, length: parts.length + 1,
    protocols: [...new Set(parts.map(part => part.nextHopProtocol))],
    failed: parts.filter(part => part.responseStatus != 200).length};
})())"""


class Chromium:
    def __init__(self, host, server, pin, ports):
        self.profile = tempfile.mkdtemp(prefix="road-chromium")
        quic = ",".join(f"{host}:{port}" for port in ports)
        argv = [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--remote-debugging-pipe",
            f"--user-data-dir={self.profile}",
            f"--ignore-certificate-errors-spki-list={pin}",
            f"--host-resolver-rules=MAP {host} {server}, MAP * ~NOTFOUND",
            f"--origin-to-force-quic-on={quic}" if ports else "--disable-quic",
        ]
        to_read, self.to_write = os.pipe()
        from_read, from_write = os.pipe()
        # Chromium reads commands from 3 and answers on 4.
        redirected = ["sh", "-c", f'exec "$@" 3<&{to_read} 4>&{from_write}', "sh", *argv]
        self.process = subprocess.Popen(
            redirected,
            pass_fds=(to_read, from_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(from_write)
        self.answers = os.fdopen(from_read, "rb", buffering=0)
        self.rest, self.number = b"", 0

    def send(self, method, session=None, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.to_write, json.dumps(message).encode() + b"\0")
        return self.number

    def until(self, wanted):
        """Reads messages up to the first that `wanted` takes."""
        while True:
            while b"\0" in self.rest:
                message, _, self.rest = self.rest.partition(b"\0")
                message = json.loads(message)
                if wanted(message):
                    return message
            part = self.answers.read(1 << 16)
            if not part:
                raise EOFError("Chromium has ended")
            self.rest += part

    def ask(self, method, session=None, **params):
        number = self.send(method, session, **params)
        message = self.until(lambda message: message.get("id") == number)
        if "error" in message:
            raise ValueError(f"{method}: {message['error']}")
        return message["result"]

    def page(self, url):
        context = self.ask("Target.createBrowserContext")["browserContextId"]
        try:
            target = self.ask("Target.createTarget", url="about:blank", browserContextId=context)
            attached = self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
            session = attached["sessionId"]
            self.ask("Page.enable", session)
            went = self.ask("Page.navigate", session, url=url)
            if "errorText" in went:
                return {"problem": went["errorText"]}
            self.until(lambda message: message.get("method") == "Page.loadEventFired")
            return self.figures(session)
        finally:
            self.ask("Target.disposeBrowserContext", browserContextId=context)

    def figures(self, session):
        """Those of the page; its first paint may come after `load`."""
        end = time.monotonic() + PAINT_PATIENCE
        while True:
            got = self.ask("Runtime.evaluate", session, expression=FIGURES)
            found = json.loads(got["result"]["value"])
            if (found["paint"] and found["load"]) or time.monotonic() > end:
                return found
            time.sleep(0.05)

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)


def main():
    inside.refuse_elsewhere()
    host, server, pin, *ports = sys.argv[1:]
    browser = Chromium(host, server, pin, ports)

    def handle(work):
        inside.refuse_elsewhere()
        return browser.page(work["url"])

    # So that Chromium ends with this process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        inside.answer(handle)
    finally:
        browser.close()


if __name__ == "__main__":
    main()
