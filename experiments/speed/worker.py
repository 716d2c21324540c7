"""A process that holds one contestant and trains on request.

    python -m experiments.speed.worker jax '{"change": {"model.name": "fcn"}}'

The parent (processes.py) writes one JSON object per line: {"do": a method of Contestant, and its
arguments}. The worker answers with one JSON object per line: first the facts of the start or
{"error": text}, then the answers. An answer's `other_cores` is the cores that other programs used.
"""

import importlib
import json
import os
import sys
import time
import traceback

from experiments.speed.machine import OtherPrograms


def _answer_stream():
    """Reserves standard output for answers; prints of libraries go to standard error."""
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    return answers


def main():
    """Starts the contestant, trains one step, then answers until the parent closes the pipe."""
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
    except Exception as error:  # the parent prints it and continues with the other contestants
        traceback.print_exc()
        first_line = (str(error).splitlines() or [''])[0]
        answer({'error': f'{type(error).__name__}: {first_line[:300]}'})
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
