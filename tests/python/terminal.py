"""Runs a program at a terminal of its own, as a person would.

usage: terminal.py STEPS PROGRAM [ARGUMENT...]

STEPS is a JSON list of [words, typed]: once the words have been seen, behind what was seen before,
this is typed. Prints all that was seen; ends with 1 where the words did not come, or no end.
"""

import json
import os
import pty
import select
import signal
import sys
import time

PATIENCE = 30


def main():
    steps = json.loads(sys.argv[1])
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(sys.argv[2], sys.argv[2:])
    seen, at = b"", 0
    end = time.monotonic() + PATIENCE
    code = 0
    while True:
        if steps:
            words = steps[0][0].encode()
            found = seen.find(words, at)
            if found >= 0:
                at = found + len(words)
                os.write(terminal, steps.pop(0)[1].encode())
                end = time.monotonic() + PATIENCE
                continue
        left = end - time.monotonic()
        if left <= 0 or not select.select([terminal], [], [], left)[0]:
            seen += f"\n(waited in vain for {steps[0][0] if steps else 'the end'!r})\n".encode()
            os.killpg(os.tcgetpgrp(terminal), signal.SIGKILL)
            os.kill(pid, signal.SIGKILL)
            code = 1
            break
        try:
            read = os.read(terminal, 65536)
        except OSError:  # EIO: nobody has the terminal open any more.
            read = b""
        if not read:
            break
        seen += read
    os.waitpid(pid, 0)
    sys.stdout.buffer.write(seen)
    if steps and code == 0:
        print(f"\n(ended without {steps[0][0]!r})")
        code = 1
    sys.exit(code)


main()
