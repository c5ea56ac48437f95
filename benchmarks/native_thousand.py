"""How much 1,000 native attempts at once cost this process: `python -m benchmarks.native_thousand [N]`.

The simulated provider is another process. Each attempt makes three requests and two tool calls. Prints one
JSON line: end states, requests, wall seconds, this process's CPU seconds and its peak memory.
"""

from __future__ import annotations

import asyncio
import collections
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from hundredfold.agents.native.backend import NativeBackend
from hundredfold.agents.protocol import Event, Spent, WorkOrder
from tests.support.provider import simulated_provider

SCHEMA = {
    "title": "benchmark.answer",
    "type": "object",
    "properties": {"verdict": {"type": "string"}, "lines": {"type": "array", "items": {"type": "integer"}}},
    "required": ["verdict", "lines"],
    "additionalProperties": False,
}


async def attempts(count: int, base_url: str, workspace: Path) -> dict[str, object]:
    backend = NativeBackend(None)
    requests = 0

    def report(event: Event) -> None:
        nonlocal requests
        requests += isinstance(event, Spent)

    def order(number: int) -> WorkOrder:
        return WorkOrder(
            attempt=f"a-{number:012x}",
            prompt=f"Look at src/main.py, attempt {number}, and answer.\n" + "context line\n" * 300,
            schema=SCHEMA,
            workspace=workspace,
            writable=False,
            gateway_url=base_url,
            model="gpt-5.5",
            effort="medium",
            tier="standard",
            deadline_s=300,
            stall_s=120,
        )

    began, cpu = time.monotonic(), time.process_time()
    outcomes = await asyncio.gather(*(backend.run(order(number), report) for number in range(count)))
    await backend.close()
    return {
        "simulated": True,
        "attempts": count,
        "ended": dict(collections.Counter(outcome.error_kind or outcome.status for outcome in outcomes)),
        "requests": requests,
        "wall_s": round(time.monotonic() - began, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder, "tree")
        (workspace / "src").mkdir(parents=True)
        (workspace / "src/main.py").write_text("def main():\n    return 1\n" * 100)
        with simulated_provider(Path(folder), mind={"rounds": [2, 2]}) as provider:
            figures = asyncio.run(attempts(count, provider.base_url, workspace))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
