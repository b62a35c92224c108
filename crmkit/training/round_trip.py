"""A widget tried as a browser would: a kernel of its own, a click and a moved control go in, a picture comes back."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty
from statistics import median
from typing import Any

START_SECONDS = 60  # a cold disk and a virus scanner take their time
ANSWER_SECONDS = 20
SETUP = """
import crmkit
from crmkit.lessons.repeat_and_retention import many_numbers
shown = many_numbers(crmkit.sample("ten_customers").orders)
moved = next(control for control in shown.controls.values() if hasattr(control, "max"))
"""
ASKED = {
    "skip": "shown.buttons['skip'].model_id",
    "control": "moved.model_id",
    "picture": "shown.picture.model_id",
    "most": "moved.max",
    "least": "moved.min",
}


class NoAnswer(Exception):
    """The kernel did not start, or the widget did not answer."""


def round_trip() -> float:
    """Seconds from moving a control to the new picture, in the median of three.

    Raises:
        NoAnswer: with what happened instead.

    Examples:
        >>> round_trip() < ANSWER_SECONDS
        True
    """
    with _kernel() as client:
        told = _set_up(client)
        _send(client, told["skip"], {"method": "custom", "content": {"event": "click"}})
        _new_picture(client, told["picture"])  # the result, since the prediction is skipped
        taken = []
        for end in ("most", "least", "most"):
            begin = time.monotonic()
            moved = {"value": float(told[end])}
            _send(client, told["control"], {"method": "update", "state": moved, "buffer_paths": []})
            _new_picture(client, told["picture"])
            taken.append(time.monotonic() - begin)
        return median(taken)


@contextmanager
def _kernel() -> Iterator[Any]:
    """A kernel of this very Python, ended when the block ends."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import KernelManager

    class ThisPython(KernelManager):
        @property
        def kernel_spec(self) -> Any:
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=40"]
            return KernelSpec(argv=command, display_name="Python 3", language="python")

    manager = ThisPython()
    client = None
    try:
        manager.start_kernel(env={**os.environ, "CRMKIT_PROGRESS": "off"})
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=START_SECONDS)
        yield client
    except (OSError, RuntimeError) as error:
        raise NoAnswer(f"{type(error).__name__}: {error}") from None
    finally:
        if client is not None:
            client.stop_channels()
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def _set_up(client: Any) -> dict[str, str]:
    """Make the widget; the ids of its parts."""
    asked = client.execute(SETUP, user_expressions=ASKED, store_history=False)
    latest = time.monotonic() + START_SECONDS
    while time.monotonic() < latest:
        try:
            reply = client.get_shell_msg(timeout=1)
        except Empty:
            continue
        if reply["parent_header"].get("msg_id") != asked:
            continue
        content = reply["content"]
        if content["status"] != "ok":
            raise NoAnswer(f"{content.get('ename')}: {content.get('evalue')}")
        return {name: told["data"]["text/plain"].strip("'") for name, told in content["user_expressions"].items()}
    raise NoAnswer(f"{START_SECONDS} s")


def _send(client: Any, model: str, data: dict[str, Any]) -> None:
    """A message to a part of the widget, as its view in the browser sends it."""
    client.shell_channel.send(client.session.msg("comm_msg", {"comm_id": model, "data": data}))


def _new_picture(client: Any, model: str) -> None:
    """Wait until the picture has other bytes."""
    latest = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < latest:
        try:
            message = client.get_iopub_msg(timeout=0.5)
        except Empty:
            continue
        content = message["content"]
        sent = message["msg_type"] == "comm_msg" and content["comm_id"] == model
        if sent and ["value"] in content["data"].get("buffer_paths", ()) and message["buffers"]:
            return
    raise NoAnswer(f"{ANSWER_SECONDS} s")
