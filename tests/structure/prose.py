"""Comments, pages and messages in plain words: patterns that CONTRIBUTING's rules for words exclude, and long sentences.

Files that still have such sentences are listed in prose_exceptions.txt. The list only shrinks: a file without findings leaves it, and no
file is added.
"""

import inspect
import re

import python_text
from bans import Finding

LIST = 'tests/structure/prose_exceptions.txt'
# Texts of other kinds: pinned bytes, generated lists, the rules themselves.
SKIPPED = ('third_party/', 'tests/structure/', 'LICENSE')
SENTENCE_WORDS_MAX = 25

_SENTENCE = re.compile(r'(?:^|(?<=[.:!?] ))(What|Who|Whoever|Whatever|Whichever|Whose|Of those|None of those)\b(?![^.]*\?)')
_CLAUSE = re.compile(r'(?<=; )(what|who|whoever|whatever|whichever|whose|of those|none of those)\b(?![^.]*\?)')
_FRAGMENT = re.compile(r'(?:^|(?<=[.:!?;] ))([Oo]f (?:a|an|the|what|which|those|its|it|all)\b(?![^.]*,)|[Tt]he same\b[.,;]'
                       r'|(?:[Ss]ee|[Aa]s|[Ss]ame as) above\b|[Dd]itto\b)')
# A comment that continues the name below it, or the text before.
_CONTINUED = re.compile(r'^(Also|So (?:is|are)|Neither(?! \w+ nor))\b')
# Indefinite subjects, private words for standard terms (timeout, transfer, bootstrap, checker), and idioms.
_WORD = re.compile(
    r'\b(nobody|somebody|whoever|one or another'
    r'|patience|hand-?overs?|handed over|judge[sd]?|judgements?|strangers?|hearsay|goodbye'
    r'|all the same|anew|in vain|likewise|tells (?:that|what|which|whether|nothing)|as (?:it|they) stands?)\b', re.IGNORECASE)
_TEST = re.compile(r'^\s*(?:TEST(?:_F|_P)?|RC_GTEST_PROP|RC_GTEST_FIXTURE_PROP)\(|^\s*def test_')
_TEST_WORD = re.compile(r'(Nobody|Somebody|Whoever|Stranger|Patience|Hand[Oo]vers?|Tells|GoesOn|GoOn'
                        r'|Suspect|Carried|FirstNew|Passe[sd]On|Reaper|GivenBack|Anew|Fate|WhenWho|Moment)(?![a-z])')
_TRAILING = {'//': re.compile(r'\S\s\s+// (.*)$'), '#': re.compile(r'\S\s\s+# (.*)$')}
_MARKERS = {'h': '//', 'cc': '//', 'proto': '//', 'py': '#', 'bzl': '#', 'bazel': '#', 'txt': '#', 'sh': '#'}
_SCRIPTS = ('.ci/run', 'bazelw')


def _marker(path):
    return '#' if path in _SCRIPTS else _MARKERS.get(path.rsplit('.', 1)[-1])


def _blocks(lines):
    """Paragraphs of (line number, part, whether the part begins a paragraph); an empty part ends one."""
    block, first = [], 0
    for number, part, begins in lines:
        if block and (not part or begins):
            yield first, ' '.join(block)
            block = []
        if part:
            if not block:
                first = number
            block.append(part)
    if block:
        yield first, ' '.join(block)


def _page(text):
    """Paragraphs, items and cells of a page. Headings and code are no sentences."""
    lines, code, cells = [], False, []
    for number, line in enumerate(text.split('\n'), 1):
        stripped = line.strip()
        code = code != stripped.startswith('```')
        indented = line.startswith('    ') and not (lines and lines[-1][1])
        if code or indented or stripped.startswith(('```', '#')):
            lines.append((number, '', True))
        elif stripped.startswith('|'):
            lines.append((number, '', True))
            cells.extend((number, cell.strip()) for cell in stripped.strip('|').split('|') if not set(cell) <= set('-: '))
        else:
            lines.append((number, stripped.lstrip('>*- '), stripped.startswith(('- ', '* ', '>')) or re.match(r'\d+\. ', stripped) is not None))
    for found, is_list in ((_blocks(lines), False), (cells, True)):
        yield from ((number, part, is_list) for number, part in found)


def _comments(text, marker):
    lines, trailing = [], []
    for number, line in enumerate(text.split('\n'), 1):
        stripped = line.strip()
        part = stripped[len(marker):] if stripped.startswith(marker) else ''
        # An indented line within a comment is an example or an item of a list; a rule of dashes or a banner ends a paragraph, too.
        begins = re.match(r'\s{2,}|\s*(?:- |--|\d+\. )', part) is not None
        part = part.strip(' !/#')
        lines.append((number, '' if set(part) <= set('-= ') else part.lstrip('- '), begins))
        if not part:
            match = _TRAILING[marker].search(line)
            if match:
                trailing.append((number, match.group(1)))
    yield from _blocks(lines)
    yield from trailing


_BLOCK_COMMENT = re.compile(r'/\*(.*?)\*/', re.DOTALL)
_LITERALS = re.compile(r'(?:"(?:[^"\\\n]|\\.)*"\s*)+')
_LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"')


def _code_without_comments(text):
    return '\n'.join('' if line.lstrip().startswith(('//', '#')) else re.sub(r'\s\s// .*$', '', line) for line in text.split('\n'))


def _literals(text):
    """String literals of C++ with at least three words, adjacent ones joined: errors and help."""
    code = _code_without_comments(text)
    for match in _LITERALS.finditer(code):
        parts = ''.join(_LITERAL.findall(match.group(0)))
        for paragraph in re.split(r'(?:\\n|\n)+', parts):
            if paragraph.count(' ') > 1:
                yield code.count('\n', 0, match.start()) + 1, paragraph.replace('\\"', '"').strip()


def _docstrings(text):
    for first, docstring in python_text.docstrings(text):
        lines = inspect.cleandoc(docstring).split('\n')
        yield from _blocks([(first + n, line.strip(), line.startswith(('  ', '- '))) for n, line in enumerate(lines)])


def _patch(text):
    """The description of a patch, before its diff."""
    lines = text.split('\n')
    end = next((n for n, line in enumerate(lines) if line.startswith(('diff ', '--- '))), len(lines))
    return _blocks([(n, re.sub(r'^[A-Z][a-z]+: .*', '', line).strip(), False) for n, line in enumerate(lines[:end], 1)])


def texts(path, text):
    """(line number, text, whether it is a cell or a message) of every comment, paragraph, cell and message."""
    if path.endswith('.md'):
        yield from _page(text)
        return
    if path.endswith('.patch'):
        yield from ((*block, False) for block in _patch(text))
        return
    yield from ((*block, False) for block in _comments(text, _marker(path)))
    if path.endswith(('.h', '.cc', '.proto')):
        for match in _BLOCK_COMMENT.finditer(_code_without_comments(text)):
            yield text.count('\n', 0, match.start()) + 1, ' '.join(match.group(1).split()), False
    if path.endswith('.py'):
        yield from ((*block, False) for block in _docstrings(text))
    if path.endswith(('.h', '.cc')) and not path.endswith('_test.cc'):
        yield from ((*block, True) for block in _literals(text))


_END = re.compile(r'(?<=[.!?:])[)"\'*]*(?=\s+[A-Z0-9"\'(`\[*]|\s*$)')
_NO_END = re.compile(r'\b(?:e\.g|i\.e|cf|vs|Fig|No|etc)\.')


def sentences(text):
    text = _NO_END.sub(lambda m: m.group(0)[:-1], text)
    start = 0
    for match in _END.finditer(text):
        yield text[start:match.end()].strip()
        start = match.end()
    if text[start:].strip():
        yield text[start:].strip()


def words(sentence):
    return [word for word in re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', sentence).split() if re.search(r'\w|`', word)]


def _name(path, number, match):
    return Finding(path, number, 'prose', f'"{match.group(1)} …": name the subject; comments stand alone (CONTRIBUTING, rules for words)')


def check(path, text):
    for number, paragraph, is_list in texts(path, text):
        # Words in backquotes are code.
        paragraph = re.sub(r'`[^`]*`', '`', paragraph)
        for pattern in (_SENTENCE, _CLAUSE, _FRAGMENT, _CONTINUED, _WORD):
            match = pattern.search(paragraph)
            # A cell or a label of a list may hang on the name before it.
            if match and not (is_list and pattern in (_FRAGMENT, _CONTINUED)):
                yield _name(path, number, match)
        # Cells and messages separate sentences by semicolons.
        for part in paragraph.split('; ') if is_list else [paragraph]:
            for sentence in sentences(part):
                length = len(words(sentence))
                if length > SENTENCE_WORDS_MAX:
                    yield Finding(path, number, 'prose', f'a sentence of {length} words, at most {SENTENCE_WORDS_MAX}: {sentence[:50]} …')
    if path.endswith(('.cc', '.py')):
        for number, line in enumerate(text.split('\n'), 1):
            match = _TEST.search(line) and _TEST_WORD.search(line)
            if match:
                yield Finding(path, number, 'prose', f'"{match.group(1)}" in the name of a test: name the subject and what it does')


def is_checked(path):
    if path.startswith(SKIPPED):
        return False
    if '/testdata/' in path:
        return path.startswith('raft/') and path.endswith('.txt')
    return path.endswith(('.h', '.cc', '.proto', '.py', '.bzl', '.bazel', '.md', '.sh', '.patch')) or path in _SCRIPTS


def check_all(texts_by_path, listed):
    """texts_by_path: {path: text} of the checked files."""
    for path, text in sorted(texts_by_path.items()):
        found = list(check(path, text))
        if found and path not in listed:
            yield from found
        elif not found and path in listed:
            yield Finding(LIST, 1, 'prose', f'{path} has no such sentence any more: take it out of the list')
    for path in sorted(set(listed) - set(texts_by_path)):
        yield Finding(LIST, 1, 'prose', f'there is no {path}')
