"""A process that holds one contestant and trains when it is told to; idle in between.

    python -m experiments.speed.worker jax '{"change": {"model.name": "fcn"}}'

The parent (processes.py) writes one JSON object a line, {"do": method of Contestant, ...its
arguments}, and reads one a line: first the facts of the start or {"error": text}, then answers,
each with `other_cores`: what other programs used of the machine meanwhile.
"""

import importlib
import json
import os
import sys
import time
import traceback

from experiments.speed.machine import OtherPrograms


def _answer_stream():
    """Standard output for answers alone: what a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    return answers


def main():
    """Starts the contestant, trains its first step, then answers until the parent hangs up."""
    answers = _answer_stream()

    def answer(reply):
        print(json.dumps(reply), file=answers, flush=True)

    side, options = sys.argv[1], json.loads(sys.argv[2])
    try:
        began = time.perf_counter()
        module = importlib.import_module(f'experiments.speed.{side}_worker')
        import_seconds = time.perf_counter() - began
        contestant = module.Contestant(**options)
        contestant.train(1)
        answer({'import_seconds': import_seconds, **contestant.facts})
        for line in sys.stdin:
            request = json.loads(line)
            others = OtherPrograms()
            reply = getattr(contestant, request.pop('do'))(**request)
            answer({**reply, 'other_cores': others.cores()})
    except Exception as error:  # whatever it is, the parent says it and goes on without us
        traceback.print_exc()
        first_line = (str(error).splitlines() or [''])[0]
        answer({'error': f'{type(error).__name__}: {first_line[:300]}'})
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
