"""Other gateways as ways to the provider, in processes of their own: LiteLLM's proxy and Portkey's."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
from msgspec import Struct

START_S = 120.0
#: Portkey's gateway 1.15.2 writes to the headers of what `fetch` returns, which the versions of its libraries
#: that npm installs today don't allow: every answer would be an error. This gives it headers of its own.
_MUTABLE = (
    "data:text/javascript,const f=fetch,R=Response,H=Headers;globalThis.fetch=async(...a)=>"
    "{const r=await f(...a);return new R(r.body,{status:r.status,headers:new H(r.headers)})}"
)


class Way(Struct, frozen=True):
    """One way to the provider. `process` is what it costs, None for none; `api` the API it is asked over."""

    name: str
    base_url: str
    api: str
    process: psutil.Process | None = None
    headers: Mapping[str, str] = {}
    #: a slow one is asked for this share of the requests
    share: float = 1.0

    def cpu_s(self) -> float:
        """CPU seconds used so far."""
        return sum(sum(one.cpu_times()[:2]) for one in self._family())

    def rss(self) -> int:
        """Bytes of memory held now."""
        return sum(one.memory_info().rss for one in self._family())

    def _family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)] if self.process else []


@contextmanager
def litellm(venv: Path, provider_url: str, folder: Path, model: str) -> Iterator[Way]:
    """LiteLLM's proxy, one worker, no database, over Chat Completions."""
    port = _free_port()
    served = {"model": f"openai/{model}", "api_base": provider_url, "api_key": "sk-provider"}
    config = {
        "model_list": [{"model_name": model, "litellm_params": served}],
        "litellm_settings": {"telemetry": False},
        "general_settings": {"master_key": "sk-client"},
    }
    file = folder / "litellm.yaml"  # YAML takes JSON
    file.write_text(json.dumps(config), encoding="utf-8")
    environment = {"PATH": f"{venv}/bin:{os.environ['PATH']}", "HOME": str(folder), "NO_DOCS": "True"}
    environment["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch its prices otherwise
    command = [f"{venv}/bin/litellm", "--config", str(file), "--host", "127.0.0.1", "--port", str(port)]
    with _process([*command, "--num_workers", "1"], environment, folder, port, "litellm") as process:
        url, headers = f"http://127.0.0.1:{port}/v1", {"Authorization": "Bearer sk-client"}
        yield Way("LiteLLM", url, "chat", process, headers, share=0.15)


@contextmanager
def portkey(folder: Path, provider_url: str, scratch: Path, api: str) -> Iterator[Way]:
    """Portkey's gateway from npm (installed below `folder`): it passes on and meters nothing."""
    port = _free_port()
    script = folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    node = shutil.which("node") or "node"
    command = [node, "--import", _MUTABLE, str(script), f"--port={port}", "--headless"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(scratch), "NODE_ENV": "production"}
    with _process(command, environment, scratch, port, "portkey") as process:
        headers = {
            "Authorization": "Bearer sk-provider",
            "x-portkey-provider": "anthropic" if api == "messages" else "openai",
            "x-portkey-custom-host": provider_url,
        }
        yield Way("Portkey", f"http://127.0.0.1:{port}/v1", api, process, headers)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def _process(
    command: list[str], environment: dict[str, str], folder: Path, port: int, name: str
) -> Iterator[psutil.Process]:
    log_file = folder / f"{name}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)
    try:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and process.poll() is None:
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        else:
            raise SystemExit(f"{name} does not start:\n{log_file.read_text(errors='replace')[-2000:]}")
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
