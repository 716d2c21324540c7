"""The model card of an exported network: model_card.md.j2 filled from its result line."""

import json
import pathlib

import jinja2

from fmnist_jax.config.settings import flatten, plain
from fmnist_jax.markdown import percent
from fmnist_jax.results.statistics import wilson_interval

_FILES = {  # format: its file
    'safetensors': 'model.safetensors',
    'stablehlo': 'model.stablehlo',
    'onnx': 'model.onnx',
}


def file_of(format_name):
    """The name of the file of a format."""
    return _FILES[format_name]


def card(networks, seed, formats):
    """The card as Markdown.

    Args:
      networks: `results.networks.Networks` with its result line.
      seed: number of the exported network.
      formats: names of the exported formats.
    """
    result, settings = networks.result, networks.settings
    position = result['seeds'].index(seed)

    def of_seed(name):
        return (result.get(name) or {position: None})[position]

    accuracy = of_seed('test_accuracy')
    shown_settings = flatten(plain(settings))
    del shown_settings['seed'], shown_settings['num_seeds']
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {'percent': percent, 'json': json.dumps}
    return environment.get_template('model_card.md.j2').render(
        result=result,
        seed=seed,
        formats=formats,
        files=_FILES,
        held_out=settings.dataset.num_validation,
        loss=settings.loss,
        classes=networks.class_names,
        accuracy=accuracy,
        interval=None if accuracy is None else wilson_interval(accuracy, result['test_images']),
        accuracies=[value for value in result['test_accuracy'] if value is not None],
        calibration=of_seed('calibration_error'),
        calibrated=of_seed('calibration_error_tempered'),
        temperature=networks.temperatures[networks.seeds.index(seed)],
        tested_epoch=of_seed('tested_epoch'),
        pretrained=(result.get('pretrained') or {}).get('file', 'no'),
        versions={name: v for name, v in (result.get('versions') or {}).items() if v},
        settings=shown_settings,
    )
