"""Each rule of docs/testing/checkers.md names the tests that plant a violation of it, and those tests exist."""

import re

from bans import Finding

PAGE = 'docs/testing/checkers.md'
_CASE = re.compile(r'^TEST(?:_F|_P)?\(\s*\w+,\s*(\w+)\)', re.MULTILINE)
_NAME = re.compile(r'`([A-Z][a-z]\w*_\w+)`')


def cases(texts):
    """The names of all test cases in `texts`."""
    return {name for text in texts for name in _CASE.findall(text)}


def check(page, known):
    """`known`: the names of all test cases."""
    header = []
    for number, line in enumerate(page.split('\n'), 1):
        cells = [cell.strip() for cell in line.strip().strip('|').split('|')] if line.startswith('|') else []
        if not cells:
            header = []
            continue
        if not header:
            header = cells
            continue
        if header[:2] != ['rule', 'asserts'] or set(line) <= set('|-: '):
            continue
        if len(cells) < 3 or not _NAME.findall(cells[-1]):
            yield Finding(PAGE, number, 'planted-rules', f'the rule "{cells[0]}" names no test that plants its violation')
    for number, line in enumerate(page.split('\n'), 1):
        for name in _NAME.findall(line):
            if name not in known:
                yield Finding(PAGE, number, 'planted-rules', f'there is no test case {name}')
