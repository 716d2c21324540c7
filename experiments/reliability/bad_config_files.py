"""Config files with a mistake. Each must give one error line that names the file."""

import pathlib

from experiments.reliability.bad_configs import try_command

_HEAD = 'from configs import base\n\ndef get_config():\n    config = base.get_config()\n'
_ROW = "{'name': 'a', 'change': {}, 'reported': None, 'also_reported': {}, 'repeats': False}"

# Values of `config.rows`, one per line.
_ROWS = f"""
()
5
None
'abc'
(1,)
('a',)
({{}},)
{_ROW}
[{_ROW}]
({_ROW}, {_ROW})
({{'name': 'a'}},)
({_ROW} | {{"x": 1}},)
(base.row,)
"""

# Values of the only row of a table.
_ONE_ROW = r"""
base.row('', {})
base.row(None, {})
base.row(3, {})
base.row('a' * 300, {})
base.row('a\nb', {})
base.row('///', {})
base.row('a', None)
base.row('a', 3)
base.row('a', {3: 4})
base.row('a', {'epochs': object()})
base.row('a', {'x': 1})
base.row('a', {}, reported=91)
base.row('a', {}, reported='0.9')
base.row('a', {}, reported=True)
base.row('a', {}, reported=float('nan'))
base.row('a', {}, reported=-0.1)
base.row('a', {}, reported=10**400)
base.row('a', {}, None, 3)
base.row('a', {}, None, {3: 1})
base.row('a', {}, None, {'x': 'y'})
base.row('a', {}), base.row('A', {})
base.row('a b', {}), base.row('a/b', {})
base.row('a', {'epochs': 10**5000})
"""

# Values of `config.claims`.
_CLAIMS = """
5
None
'abc'
(5,)
('abc',)
({},)
(base.claim('t'),)
(None,)
(base.claim('t', ('run',)),)
(base.claim('t', ('run', 'run')),)
(base.claim(3, ('run', 'x')),)
(base.claim('t', ('run', 'gone')),)
({'text': 't', 'comparisons': 5},)
({'text': 't', 'comparisons': [5]},)
({'text': 't', 'comparisons': {'a': 'b'}},)
(base.claim('t', ('run', [3, 4])),)
(base.claim('t', (['run', {}], ['run', 'x'])),)
(base.claim('t', ('[', 'run')),)
(base.claim('t', ('run', 'x'), measure=['x']),)
"""

# Values of `config.search`.
_SEARCHES = """
5
'abc'
('x',)
({},)
(base.choice('epochs'),)
(base.choice(3, 1),)
(base.uniform('epochs', 5, 1),)
(base.uniform('epochs', 'a', 'b'),)
(base.uniform('optimizer.l2', 0.0, 1.0, log=True),)
(base.uniform('optimizer.l2', 0.1, 1.0, log='yes'),)
"""

# Lines of get_config().
_LINES = r"""
config.epocs = 3
config.model.widht = 3
config.epochs = "3"
config.model = 3
config.epochs = None
config.optimizer = None
del config.epochs
del config.rows
config.title = None
config.title = 3
config.new = {}
config.new = object()
raise ValueError("a\nb")
raise KeyError("x")
raise SystemExit(0)
1 / 0
import nowhere
config.dataset.std = float("nan")
config.unlock(); config.x = 1
return None
return {}
return base
return config.to_dict()
return config.model
config = type(config)()
get_config()
config.epochs = config.get_ref("batch_size")
"""

# Whole files.
_TEXTS = (
    '',
    'x',
    'def get_config(:\n',
    'get_config = 3\n',
    '\x00',
    'é = "\\ud800"\n',
    '\n\n\n\n\n\n\n\n\n',
    'def get_config(a): return a\n',
    'import nowhere\n',
    'raise SystemExit\n',
    '((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((',
    'class get_config:\n    pass\n',
    _HEAD,
    'return 3\n',
    'from configs import nothing\n',
)


def _lines():
    """Yields a line of get_config() for each case above."""
    patterns = {
        'config.rows = {}': _ROWS,
        'config.rows = ({},)': _ONE_ROW,
        'config.claims = {}': _CLAIMS,
        'config.search = {}': _SEARCHES,
        '{}': _LINES,
    }
    for pattern, text in patterns.items():
        for line in text.strip().splitlines():
            yield pattern.format(line)


def config_files(folder):
    """Tries every damaged file as --config: {case: outcome}."""
    outcomes = {}
    path = pathlib.Path(folder) / 'configs' / 'user.py'
    path.parent.mkdir(parents=True, exist_ok=True)
    for line in _lines():
        path.write_text(
            f"{_HEAD}    config.dataset.name = 'synthetic'\n    {line}\n    return config\n"
        )
        outcomes[line] = try_command(f'--config={path}')
    for text in _TEXTS:
        path.write_text(text)
        outcomes[f'file {text!r}'] = try_command(f'--config={path}')
    path.write_bytes(b'\xff\xfe\x00')
    for odd in (path, folder, '', '/dev/null', 'nowhere.py', 'a\0b', 'x' * 300, f'{path}:arg'):
        outcomes[f'--config={str(odd)[:20]!r}'] = try_command(f'--config={odd}')
    return outcomes
