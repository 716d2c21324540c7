"""Checkpoints as orbax keeps them: its manager, its quiet, one folder read on its own."""

import functools
import logging
import sys

import jax


@functools.cache
def library():
    """Imported when the first checkpoint is due: half a second that short rows do not need."""
    import orbax.checkpoint as ocp

    # Tracebacks of its threads: what they raise is told in one line here.
    logging.getLogger('absl').addFilter(lambda record: 'orbax' not in record.pathname)
    logging.getLogger('asyncio').setLevel(logging.CRITICAL)
    hook = sys.unraisablehook

    def quieter(unraisable):
        """Reading a damaged file leaves threads behind that complain of this, many times."""
        if 'Event loop is closed' not in str(unraisable.exc_value):
            hook(unraisable)

    sys.unraisablehook = quieter
    return ocp


def _alone():
    """Orbax's word for: this host alone reads and writes, the others do not wait for it."""
    me = jax.process_index()
    return library().options.MultiprocessingOptions(primary_host=me, active_processes={me})


def manager(folder, keep):
    """A manager of the checkpoints in a folder: the latest `keep` of them and the best."""
    ocp = library()
    folder.mkdir(parents=True, exist_ok=True)  # orbax makes none where hosts are named
    from orbax.checkpoint.checkpoint_managers import preservation_policy as policy

    def score(metrics):
        return metrics['score']

    # With `best_fn` and `max_to_keep` alone the latest would go as soon as it is not the best.
    kept = [policy.LatestN(keep), policy.BestN(get_metric_fn=score, n=1)]
    options = ocp.CheckpointManagerOptions(
        best_fn=score,
        best_mode='max',
        preservation_policy=policy.AnyPreservationPolicy(kept),
        multiprocessing_options=_alone(),
        create=False,
    )
    return ocp.CheckpointManager(folder, options=options)


def write(manager, step, meta, arrays, score):
    """Hands a checkpoint to a manager, which writes it in the background.

    Args:
      manager: of `manager`.
      step: its number.
      meta: what JSON can hold.
      arrays: {name: numpy array}.
      score: by which one is the best.
    """
    args = library().args
    manager.save(
        step,
        args=args.Composite(state=args.StandardSave(arrays), meta=args.JsonSave(meta)),
        metrics={'score': score},
    )


def read(path):
    """(meta, {name: array}) of one checkpoint's folder.

    Read on its own: its neighbours may be damaged, and a manager looks at them all.
    """
    ocp, alone = library(), {'multiprocessing_options': _alone()}
    handler = ocp.CompositeCheckpointHandler(composite_options=ocp.CompositeOptions(**alone))
    with ocp.Checkpointer(handler, **alone) as reader:
        found = reader.restore(
            path,
            args=ocp.args.Composite(state=ocp.args.StandardRestore(), meta=ocp.args.JsonRestore()),
        )
    return found.meta, found.state
