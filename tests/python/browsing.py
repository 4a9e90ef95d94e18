"""Chromium with the root store of a test, as `first_visit.py` and `dead_udp.py` use it."""

import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(ROOT, "benches", name) for name in ("road", "peers")]

import devtools

PROTOCOL = "performance.getEntriesByType('navigation')[0].nextHopProtocol"
# For its root store, which it reads some time after its start.
WAITS = (5, 10, 20)


def browser(arguments, profile, prefix=()):
    return devtools.Browser(arguments, prefix, profile)


class Page:
    """A tab; a `fresh` one shares nothing with others, as in a private window."""

    def __init__(self, owner, fresh=False):
        where = owner.ask("Target.createBrowserContext") if fresh else {}
        target = owner.ask("Target.createTarget", url="about:blank", **where)
        attached = owner.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self.browser, self.session = owner, attached["sessionId"]
        owner.ask("Page.enable", self.session)

    def load(self, url):
        """How a page came: protocol and ms; `None` if it did not."""
        start = time.monotonic()
        if "errorText" in self.browser.ask("Page.navigate", self.session, url=url):
            return None
        self.browser.until(lambda message: message.get("method") == "Page.loadEventFired")
        took = (time.monotonic() - start) * 1e3
        return {"protocol": self.run(PROTOCOL), "ms": round(took)}

    def run(self, expression):
        """The value of an expression, also of a promise."""
        got = self.browser.ask(
            "Runtime.evaluate", self.session, expression=expression, awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" in got:
            raise ValueError(json.dumps(got["exceptionDetails"]))
        return got["result"]["value"]


def first_page(url, make_browser):
    """Opens a page as the first of a new browser: the browser, its tab, and how the page came. A
    browser that does not know its root store yet gives way to a new one."""
    for wait in WAITS:
        one = make_browser()
        time.sleep(wait)
        page = Page(one)
        came = page.load(url)
        if came:
            return one, page, came
        leave(one)
    sys.exit(f"{url} does not load")


def leave(one):
    """Ends a browser in an orderly way, so that its profile is written."""
    try:
        one.ask("Browser.close")
    except EOFError:
        pass
    one.wait()

