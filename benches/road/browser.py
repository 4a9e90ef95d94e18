"""Headless Chromium, spoken to over its debugging pipe: each page in a browser context of its own,
so with no connection, session or cache of the page before.

Arguments: the host, the server's address, the hash of its key, and the ports with HTTP/3; where
there are none, Chromium has no QUIC at all.
"""

import json
import signal
import sys
import time

import inside
from devtools import Browser

PATIENCE = 60.0
PAINT_PATIENCE = 1.0
FIGURES = """JSON.stringify((() => {
  const page = performance.getEntriesByType('navigation')[0];
  const paint = performance.getEntriesByName('first-paint')[0];
  const drawn = performance.getEntriesByName('drawn')[0];
  const parts = performance.getEntriesByType('resource');
  return {load: page.loadEventEnd, first: page.responseStart, paint: paint ? paint.startTime : null,
    drawn: drawn ? drawn.startTime : null, protocol: page.nextHopProtocol, length: parts.length + 1,
    protocols: [...new Set(parts.map(part => part.nextHopProtocol))],
    failed: parts.filter(part => part.responseStatus != 200).length};
})())"""


class Chromium(Browser):
    def __init__(self, host, server, pin, ports):
        quic = ",".join(f"{host}:{port}" for port in ports)
        super().__init__([
            f"--ignore-certificate-errors-spki-list={pin}",
            f"--host-resolver-rules=MAP {host} {server}, MAP * ~NOTFOUND",
            f"--origin-to-force-quic-on={quic}" if ports else "--disable-quic",
            "--disable-component-update",
        ])

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
