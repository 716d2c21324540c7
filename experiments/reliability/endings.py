"""Ends runs by a signal, again and again, and resumes them until they are done."""

import random
import re
import signal
import time
from typing import NamedTuple

from experiments.reliability.broken_runs import (
    Fault,
    check_same,
    first_epoch,
    messages,
    start,
    writing,
)


class Kind(NamedTuple):
    """A way to end a run."""

    name: str
    signal: int
    exit_code: int
    during_save: bool = False


KINDS = {
    'kill': Kind('kill -9 at a random moment', signal.SIGKILL, -signal.SIGKILL),
    'kill_in_save': Kind(
        'kill -9 while a checkpoint is written', signal.SIGKILL, -signal.SIGKILL, True
    ),
    'ctrl_c': Kind('Ctrl-C at a random moment', signal.SIGINT, 130),
}


def end_often(folder, expected, epochs, times, kind, seed=0):
    """Ends runs `times` times in all; each run resumes until it is done."""
    rng, done, number, lost = random.Random(seed), 0, 0, []
    while done < times:
        number += 1
        workdir = folder / f'run_{number}'
        while True:
            process = start(workdir, epochs)
            if done < times:
                _wait(process, workdir, kind, rng)
            if done < times and process.poll() is None:
                process.send_signal(kind.signal)
                done += process.wait() != 0  # 0: the run finished before the signal
            code = process.wait()
            if code == 0:
                break
            if code != kind.exit_code:
                raise Fault(f'{workdir}: exit code {code}\n{messages(workdir)}')
        check_same(workdir, expected)
        lost.extend(epochs_again(messages(workdir)))
    again = max(lost, default=0)
    trained = f'at most {again} epoch{"s" * (again != 1)}' if again else 'no epoch'
    return (
        kind.name,
        f'{times} ({number} runs)',
        f'nothing; {trained} trained again',
        'on the next start: `goes on after epoch N`',
    )


def _wait(process, workdir, kind, rng):
    """Waits for the moment to send the signal, or for the end of the run."""
    if kind.during_save:
        while process.poll() is None and not writing(workdir):
            time.sleep(0.001)
    else:
        first_epoch(process, workdir)
        time.sleep(rng.uniform(0, 2))


def epochs_again(text):
    """How many epochs were trained again after each end of the run."""
    lost, epoch = [], 0
    for line in text.splitlines():
        resumed = re.search(r'goes on after (step \S+ of )?epoch (\d+)', line)
        trained = re.search(r': epoch (\d+)/', line)
        if resumed:
            finished = int(resumed[2]) - bool(resumed[1])
            lost.append(epoch - finished)
            epoch = finished
        elif trained:
            if int(trained[1]) == 1 and epoch:
                lost.append(epoch)  # no checkpoint yet: the run starts over
            epoch = int(trained[1])
    return lost
