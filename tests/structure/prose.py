"""Comments and pages in plain words: patterns that CONTRIBUTING's rules for words exclude.

Files that still have such sentences are listed in prose_exceptions.txt. The list only shrinks: a file without findings leaves it, and no
file is added.
"""

import re

from bans import Finding

LIST = 'tests/structure/prose_exceptions.txt'
# Texts of other kinds: pinned bytes, generated lists, the rules themselves.
SKIPPED = ('third_party/', 'tests/structure/', 'LICENSE')

_SENTENCE = re.compile(r'(?:^|(?<=[.:!?] ))(What|Who|Whoever|Of those)\b(?![^.]*\?)')
_FRAGMENT = re.compile(r"(?:^|(?<=[.:!?] ))(Of (?:a|an|the|what|which|those|its|all)\b(?![^.]*,)|The same\b[.,;]|See above\b)")
# Indefinite subjects, private words for standard terms (timeout, transfer, bootstrap, checker), and idioms.
_WORD = re.compile(
    r'\b(nobody|somebody|whoever|one or another'
    r'|patience|hand-?overs?|handed over|found(?:ed|ing)|judge[sd]?|judgements?|strangers?|hearsay|goodbye'
    r'|all the same|anew|in vain|likewise|tells (?:that|what|which|whether|nothing)|as (?:it|they) stands?)\b', re.IGNORECASE)
_TEST = re.compile(r'^\s*(?:TEST(?:_F|_P)?|RC_GTEST_PROP|RC_GTEST_FIXTURE_PROP)\(|^\s*def test_')
_TEST_WORD = re.compile(r'(Nobody|Somebody|Whoever|Stranger|Patience|Hand[Oo]vers?|Founded|Tells|GoesOn|GoOn)(?![a-z])')
_TRAILING = {'//': re.compile(r'\S\s\s+// (.*)$'), '#': re.compile(r'\S\s\s+# (.*)$')}


def comments(path, text):
    """(line number, text) of every comment or paragraph."""
    marker = {'h': '//', 'cc': '//', 'proto': '//', 'py': '#', 'bzl': '#', 'bazel': '#'}.get(path.rsplit('.', 1)[-1])
    block, first, code = [], 0, False
    for number, line in enumerate(text.split('\n') + [''], 1):
        stripped = line.strip()
        if marker is None:
            code = code != stripped.startswith('```')
            # Headings and tables are no sentences.
            part = '' if code or stripped.startswith(('```', '|', '#')) else stripped.lstrip('>*- ')
            starts = stripped.startswith(('- ', '* ', '>'))
        else:
            part = stripped[len(marker):].strip() if stripped.startswith(marker) else ''
            starts = False
        if block and (not part or starts):
            yield first, ' '.join(block)
            block = []
        if part:
            if not block:
                first = number
            block.append(part)
        elif marker is not None:
            trailing = _TRAILING[marker].search(line)
            if trailing:
                yield number, trailing.group(1)


def check(path, text):
    for number, comment in comments(path, text):
        if path.endswith('.md'):
            comment = re.sub(r'`[^`]*`', '`', comment)
        for pattern in (_SENTENCE, _WORD) if path.endswith('.md') else (_SENTENCE, _FRAGMENT, _WORD):
            match = pattern.search(comment)
            if match:
                yield Finding(path, number, 'prose', f'"{match.group(1)} …": name the subject; comments stand alone (CONTRIBUTING, rules for words)')
    if path.endswith(('.cc', '.py')):
        for number, line in enumerate(text.split('\n'), 1):
            match = _TEST.search(line) and _TEST_WORD.search(line)
            if match:
                yield Finding(path, number, 'prose', f'"{match.group(1)}" in the name of a test: name the subject and what it does')


def is_checked(path):
    return path.endswith(('.h', '.cc', '.proto', '.py', '.bzl', '.bazel', '.md')) and not path.startswith(SKIPPED) \
        and '/testdata/' not in path


def check_all(texts, listed):
    """texts: {path: text} of the checked files."""
    for path, text in sorted(texts.items()):
        found = list(check(path, text))
        if found and path not in listed:
            yield from found
        elif not found and path in listed:
            yield Finding(LIST, 1, 'prose', f'{path} has no such sentence any more: take it out of the list')
    for path in sorted(set(listed) - set(texts)):
        yield Finding(LIST, 1, 'prose', f'there is no {path}')
