"""The model card of an exported network: model_card.md.j2 filled from its result line."""

import json
import pathlib

from fmnist_jax.config.settings import flatten, plain
from fmnist_jax.data import catalog
from fmnist_jax.markdown import percent
from fmnist_jax.results.measures import test_accuracy
from fmnist_jax.results.statistics import wilson_interval


def template(name, filters, **options):
    """The jinja2 template of a file in this folder."""
    import jinja2  # here, because training imports this room and needs no pages

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        **options,
    )
    environment.filters |= filters
    return environment.get_template(name)


def file_of(format_name):
    """The name of a format's file."""
    return f'model.{format_name}'


def card(networks, seed, formats):
    """The card, in Markdown, of the network of a seed, exported in these formats.

    Args:
      networks: `results.networks.Networks` with its result line.
    """
    result, settings = networks.result, networks.settings
    position = result['seeds'].index(seed)

    def of_seed(name):
        return (result.get(name) or {position: None})[position]

    shown_settings = flatten(plain(settings))
    del shown_settings['seed'], shown_settings['num_seeds']
    shape, count = catalog.image_shape(settings.dataset), len(networks.class_names)
    filters = {'percent': percent, 'json': json.dumps}
    return template('model_card.md.j2', filters, keep_trailing_newline=True).render(
        result=result,
        seed=seed,
        formats=formats,
        held_out=settings.dataset.num_validation,
        loss=settings.loss,
        views=settings.test_views,
        classes=networks.class_names,
        number='ten' if count == 10 else count,
        shape=shape,
        light_on_black=catalog.is_light_on_black(settings.dataset),
        image_text=f'{shape[1]}x{shape[0]} pixels, {"in colour" if shape[2:] else "grey"}',
        of_seed=of_seed,
        wilson_interval=wilson_interval,
        accuracies=test_accuracy(result),
        temperature=networks.temperatures[networks.seeds.index(seed)],
        pretrained=(result.get('pretrained') or {}).get('file', 'no'),
        versions={name: v for name, v in (result.get('versions') or {}).items() if v},
        settings=shown_settings,
    )
