"""What the Python programs share of ../README.md's `admin`: verbs from stdin, one line for each."""

import asyncio
import logging
import os
import queue
import sys
import threading
import traceback

GIVE_UP_S = int(os.environ.get("GIVE_UP_S", "10"))


class LastLine(logging.Handler):
    """The last line that a library has logged for a person to see."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if "blocking the event loop" not in text:  # a slow machine's, not the library's
            self.text = text


LOGGED = LastLine(logging.WARNING)


def serve(verbs: dict) -> None:
    """Runs each verb of stdin in a thread of its own, so that one that does not end holds up no other."""
    logging.getLogger().addHandler(LOGGED)
    for line in sys.stdin:
        verb, *words = line.split()
        LOGGED.text = ""
        done: queue.Queue = queue.Queue()
        threading.Thread(target=_run, args=(verbs.get(verb), words, done), daemon=True).start()
        try:
            said = done.get(timeout=GIVE_UP_S)
        except queue.Empty:
            said = f"W {LOGGED.text}"
        print(" ".join(said.split()), flush=True)
    os._exit(0)


def _run(verb, words: list, done: queue.Queue) -> None:
    if verb is None:
        return done.put("none")
    try:
        result = verb(*words)
        if asyncio.iscoroutine(result):
            result = asyncio.run(result)
        return done.put(f"ok {'' if result is None else result}")
    except BaseException as e:
        traceback.print_exc()
        return done.put(f"E {type(e).__name__} {e}")


def numbers(text: str) -> list[int]:
    return [int(n) for n in text.split(",")]
