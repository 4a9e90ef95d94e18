"""Headless Chromium, spoken to over its debugging pipe (the DevTools protocol)."""

import json
import os
import shutil
import subprocess
import tempfile


class Browser:
    """Chromium with a profile of its own, which ends with it; `arguments` are further ones of its
    command line, and `prefix` is a command that runs it."""

    def __init__(self, arguments, prefix=(), profile=None):
        self.profile = profile or tempfile.mkdtemp(prefix="road-chromium")
        argv = [
            *prefix,
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--remote-debugging-pipe",
            f"--user-data-dir={self.profile}",
            *arguments,
        ]
        to_read, self.to_write = os.pipe()
        from_read, from_write = os.pipe()
        # Chromium reads commands from 3 and answers on 4. Other shells know one digit of a number.
        redirected = ["bash", "-c", f'exec "$@" 3<&{to_read} 4>&{from_write}', "bash", *argv]
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

    def close(self):
        self.process.terminate()
        self.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def wait(self):
        """Until it has ended."""
        self.process.wait()
        os.close(self.to_write)
        self.answers.close()
