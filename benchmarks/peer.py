# The other side of every comparison: PyTorch of the same LibTorch, in one process that waits for its turn.
# Reads a line of JSON {"setup": code, "statement": code, "count": n}, answers with the seconds that n statements took,
# or {"error": reason}, after which it is ready for the next.
import json
import sys
import textwrap
import time
import traceback

import torch

torch.manual_seed(0)
for first in (torch.sqrt, torch.log, torch.tanh, torch.exp):  # as our addon does: see the note on first calls in the docs
    first(torch.ones(16))

print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
compiled = {}
for line in sys.stdin:
    job = json.loads(line)
    key = (job["setup"], job["statement"])
    try:
        if key not in compiled:
            scope = {"torch": torch}
            exec(textwrap.dedent(job["setup"]), scope)
            body = job["statement"].replace("\n", "\n        ")
            exec(f"def run(count):\n    for _ in range(count):\n        {body}\n", scope)
            compiled[key] = scope["run"]
        start = time.perf_counter()
        compiled[key](job["count"])
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        answer = time.perf_counter() - start
    except Exception as error:
        traceback.print_exc()
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
