"""Comments of C++ and proto files: their width, their place at declarations, and the names in them; of Python files the names.

A comment names only what exists: a word in backquotes, a member as Class::Member, a function as Name(), and a word that is written as
an identifier (kName, several_words, SeveralWords) occur in the code of the repository. A renamed function takes its comments along.
"""

import re

import python_text
from bans import Finding

WIDTH_MAX = 80

_COMMENT = re.compile(r'(?:^|(?<=\s))//(?!/) ?(.*)$')
_WORD = re.compile(r'[A-Za-z_]\w*')
_QUALIFIED = re.compile(r'(?<![\w:.`/])((?:[A-Za-z_]\w*::)+~?[A-Za-z_]\w*)')
_CALL = re.compile(r'(?<![\w:.>/`])([A-Za-z_]\w{2,})\(\)')
_QUOTED = re.compile(r'`((?:[A-Za-z_]\w*::)*~?[A-Za-z_]\w*)(?:\(\))?`')
_CONSTANT = re.compile(r'(?<![\w:.`/-])(k[A-Z][A-Za-z0-9]+)\b')
_SNAKE = re.compile(r'(?<![\w:.`/@-])([a-z][a-z0-9]*(?:_[a-z0-9]+)+_?)(?![\w/]|\.\w)')
_CAMEL = re.compile(r'(?<![\w:.`/@"-])([A-Z][a-z0-9]+(?:[A-Z][a-z0-9]+)+)(?![\w/]|\.\w)')
# Names from elsewhere: codes of absl::Status, the RPCs of the Raft paper, an algorithm, libraries.
_FOREIGN = {'kFailedPrecondition', 'kOutOfRange', 'kPermissionDenied', 'NotFound', 'RequestVote', 'AppendEntries', 'InstallSnapshot',
            'SplitMix64', 'RapidCheck', 'HdrHistogram'}


def applies(path):
    return path.endswith(('.h', '.cc', '.proto')) and not path.startswith('third_party/')


def names_apply(path):
    # The structural tests name samples.
    return applies(path) or path.endswith('.py') and not path.startswith(('third_party/', 'tests/structure/'))


def _comments(text):
    """(line number, code before the comment, comment) of the lines of `text` that have one."""
    for number, line in enumerate(text.split('\n'), 1):
        match = _COMMENT.search(line)
        # A // within a string, such as the one of a URL, begins no comment.
        if match and line.count('"', 0, match.start()) % 2 == 0:
            yield number, line[:match.start()].rstrip(), match.group(1)


def check_width(path, text):
    lines = text.split('\n')
    for number, _, _ in _comments(text):
        if len(lines[number - 1]) > WIDTH_MAX:
            yield Finding(path, number, 'comment-width', f'{len(lines[number - 1])} columns, at most {WIDTH_MAX} in lines with a comment')


def check_broken_declarations(path, text):
    """A declaration that is broken only because a comment follows it: the comment belongs on the line above."""
    lines = text.split('\n')
    for number, code, _ in _comments(text):
        before = lines[number - 2].rstrip() if number > 1 else ''
        if not code.strip() or not before or _COMMENT.search(before) or before[-1] in '{};:#\\' or before.lstrip().startswith('#'):
            continue
        # The line above is a row of a list: it ends with a comma outside parentheses.
        if before[-1] == ',' and before.count('(') <= before.count(')'):
            continue
        joined = before + ('' if before[-1] == '(' else ' ') + code.strip()
        if len(joined) <= WIDTH_MAX:
            yield Finding(path, number, 'comment-place', 'the declaration fits on one line: write its comment on the line above')


def words_of(path, text):
    """Every word of the code of a file, literals included."""
    if path.endswith('.py'):
        return set(_WORD.findall(python_text.split(text)[1]))
    without = '\n'.join(line[:match.start()] if (match := _COMMENT.search(line)) and line.count('"', 0, match.start()) % 2 == 0 else line
                        for line in text.split('\n'))
    return set(_WORD.findall(without))


def _names(comment):
    yield from _QUOTED.findall(comment)
    for pattern in (_QUALIFIED, _CALL):
        yield from pattern.findall(comment)
    # Not in examples, which are indented, and in texts that are quoted.
    if not comment.startswith('  '):
        unquoted = re.sub(r'"[^"]*"', '""', comment)
        for pattern in (_CONSTANT, _SNAKE, _CAMEL):
            yield from (name for name in pattern.findall(unquoted) if name not in _FOREIGN)


def check_names(path, text, words_by_file):
    """words_by_file: path -> words of its code. A qualified name exists if one file has all its parts."""
    said = python_text.split(text)[0] if path.endswith('.py') else [(number, comment) for number, _, comment in _comments(text)]
    for number, comment in said:
        for name in _names(comment):
            parts = set(name.replace('~', '').split('::'))
            if not any(parts <= words for words in words_by_file.values()):
                yield Finding(path, number, 'comment-name', f'there is no {name} in the code')
