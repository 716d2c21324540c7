"""The page that goes with one exported network: what it is, how good, for what, how it was made."""

import json

from fmnist_jax.config.settings import flatten, plain
from fmnist_jax.results.statistics import wilson_interval

_FILES = {  # format -> (file, what it is and how it is used)
    'safetensors': (
        'model.safetensors',
        'the parameters, with settings, classes and temperature as metadata: '
        '`fmnist_jax.load_networks(FILE)`, or any reader of safetensors',
    ),
    'stablehlo': (
        'model.stablehlo',
        "the whole program for CPU, CUDA and TPU, JAX's export format: "
        '`jax.export.deserialize(bytearray(open(FILE, "rb").read())).call(images)`',
    ),
    'onnx': (
        'model.onnx',
        'the whole program for ONNX Runtime: '
        '`onnxruntime.InferenceSession(FILE).run(None, {"images": images})[0]`',
    ),
}
_ITEMS = {
    'fashion_mnist': 'grey 28x28 pictures of clothes, shoes and bags (Fashion-MNIST, Zalando)',
    'mnist': 'grey 28x28 pictures of handwritten digits (MNIST)',
    'synthetic': 'DRAWN garments: its accuracy says nothing about real pictures',
}


def file_of(format_name):
    """The name of the file that holds a format."""
    return _FILES[format_name][0]


def _percent(fraction):
    return 'none' if fraction is None else f'{100 * fraction:.2f} %'


def _of_seed(result, name, position):
    """A number of one seed from a result line's list; None where there is none."""
    values = result.get(name)
    return values[position] if values else None


def _accuracy(networks, seed):
    """What was measured of this seed and of its row."""
    result, position = networks.result, networks.result['seeds'].index(seed)
    accuracy, images = result['test_accuracy'][position], result['test_images']
    lines = [f'- accuracy on {images:,} test images: {_percent(accuracy)}']
    if accuracy is not None:
        low, high = wilson_interval(accuracy, images)
        lines[0] += f' (95 % interval {_percent(low)} to {_percent(high)}, Wilson)'
    others = [value for value in result['test_accuracy'] if value is not None]
    if len(others) > 1:
        lines.append(
            f'- {len(others)} networks trained alike, with other seeds: '
            f'{_percent(min(others))} to {_percent(max(others))}'
        )
    before = _of_seed(result, 'calibration_error', position)
    if before is not None:
        after = _of_seed(result, 'calibration_error_tempered', position)
        tempered = f', {_percent(after)} with the temperature' if after is not None else ''
        lines.append(f'- expected calibration error (15 bins): {_percent(before)}{tempered}')
    return lines


def _data(networks):
    settings, result = networks.settings, networks.result
    held_out = settings.dataset.num_validation
    return [
        f'{_ITEMS[settings.dataset.name]}; trained on {result["train_images"]:,} of its training '
        f'images, {held_out or "none"} held out for validation. '
        f'Classes, in the order of the output: {", ".join(networks.class_names)}.'
    ]


def _use(networks, seed):
    temperature = networks.temperatures[networks.seeds.index(seed)]
    sums = 'they sum to 1'
    if networks.settings.loss == 'sigmoid':
        sums = 'each class answers for itself, they need not sum to 1'
    scaled = 'Scaling of the pixels is part of the program; the probabilities are as trained.'
    if temperature:
        scaled = (
            'Scaling of the pixels is part of the program, and so is the temperature, '
            f'{temperature:g}, fitted on validation images.'
        )
    return [
        'Input: uint8 `[N, 28, 28]`, light items on black (0), any N. Output: probabilities, '
        f'float32 `[N, 10]`; {sums}. {scaled}',
        '',
        'For study: to reproduce a table, to compare methods, to teach.',
        '',
        'Limits: it knows these ten classes and pictures made like those of its data set, one '
        'centred item each. Anything else gets one of the ten, often with a high probability. '
        'Its probabilities are calibrated for test images like the training images alone. It was '
        'not examined for bias or for resistance to manipulated pictures: decide nothing about '
        'people with it.',
    ]


def _made(networks, seed):
    result = networks.result
    versions = ', '.join(f'{k} {v}' for k, v in (result.get('versions') or {}).items() if v)
    facts = {
        'row': f'{result["row"]}, seed {seed}',
        'network': f'{result["model"]}, {result["parameters"]:,} trainable parameters',
        'tested epoch': result['tested_epoch'][result['seeds'].index(seed)],
        'pretrained': (result.get('pretrained') or {}).get('file', 'no'),
        'commit': result.get('commit') or 'not known',
        'versions': versions,
        'finished': result.get('finished', 'not known'),
        'settings hash': result['config_hash'],
    }
    shown = flatten(plain(networks.settings))
    del shown['seed'], shown['num_seeds']  # of the row
    lines = [f'- {name}: {value}' for name, value in facts.items()]
    return [*lines, '', '```', *[f'{k} = {json.dumps(v)}' for k, v in shown.items()], '```']


def card(networks, seed, formats):
    """The card as Markdown.

    Args:
      networks: parameters.Networks with their result line.
      seed: number of the network.
      formats: names of the formats beside the card.
    """
    result = networks.result
    front = ['---', 'license: apache-2.0', 'library_name: fmnist_jax']
    front += [f'datasets: [{result["dataset"]}]', 'tags: [image-classification, jax]', '---']
    files = [f'- `{_FILES[name][0]}`: {_FILES[name][1]}' for name in formats]
    if 'stablehlo' in formats or 'onnx' in formats:
        files.append('- the whole programs compute in float32')
    sections = {
        f'{result["model"]} on {result["dataset"]}': files,
        'Data': _data(networks),
        'How good it is': _accuracy(networks, seed),
        'Use and limits': _use(networks, seed),
        'How it was made': _made(networks, seed),
    }
    parts = [
        '\n'.join([f'{"#" if i == 0 else "##"} {title}', '', *lines])
        for i, (title, lines) in enumerate(sections.items())
    ]
    return '\n\n'.join(['\n'.join(front), *parts]) + '\n'
