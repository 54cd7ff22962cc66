"""Names of types at namespace level in headers: each is defined in one header of the repository.

A reader who searches for a name finds one type. A type that belongs to another one is nested in it.
"""

import re

import cpp_text
from bans import Finding

# name -> why two headers may define a type of this name.
EXCEPTIONS = {}

_NAMESPACE = re.compile(r'(\bnamespace\b[^()=]*|extern\s*"")\s*$')
_TYPE = re.compile(r'\b(?:class|struct|union|enum(?:\s+class)?)\s+(?:(?:\[\[\w+\]\]|alignas\s*\([^()]*(?:\([^()]*\)[^()]*)*\)|[A-Z][A-Z_]+(?:\([^()]*\))?)\s*)*(\w+)(?!\w)(?!\s*<)(?:\s+final)?\s*(?::[^:][^;]*)?$')
_ALIAS = re.compile(r'^\s*(?:template\s*<[^;]*>\s*)?using\s+(\w+)\s*=')

_TYPEDEF = re.compile(r'^\s*typedef\b(?:.*\(\s*\*\s*(\w+)\s*\)\s*\([^()]*\)|.*?\b(\w+)(?:\s*\[[^\]]*\])*)\s*$', re.DOTALL)


def definitions(text):
    """(line, name) of the types that `text` defines at namespace level, aliases included."""
    code = cpp_text.code_only(text)
    code = '\n'.join('' if line.lstrip().startswith('#') else line for line in code.split('\n'))
    stack, start = [], 0
    for match in re.finditer(r'[{};]', code):
        at, character = match.start(), match.group(0)
        outside = all(stack)
        if character == '{':
            segment = code[start:at]
            stack.append(_NAMESPACE.search(segment) is not None)
            if outside and not stack[-1]:
                found = _TYPE.search(segment)
                if found:
                    yield cpp_text.line_of(code, start + found.start(1)), found.group(1)
            start = at + 1
        elif character == '}':
            if stack:
                stack.pop()
            start = at + 1
        else:
            if outside:
                found = _ALIAS.match(code[start:at]) or _TYPEDEF.match(code[start:at])
                if found:
                    yield cpp_text.line_of(code, start + found.start(found.lastindex)), found.group(found.lastindex)
            start = at + 1


def check_all(texts):
    """texts: {path: text} of headers."""
    places = {}
    for path, text in sorted(texts.items()):
        for line, name in definitions(text):
            places.setdefault(name, {}).setdefault(path, line)
    for name, paths in sorted(places.items()):
        if len(paths) > 1 and name not in EXCEPTIONS:
            first, *others = sorted(paths)
            for path in others:
                yield Finding(path, paths[path], 'type-name', f'{first} defines {name}, too: a type in a header has a name of its own')
    for name in sorted(EXCEPTIONS):
        if len(places.get(name, {})) < 2:
            yield Finding('tests/structure/type_names.py', 1, 'type-name', f'no two headers define {name}: take it out of EXCEPTIONS')
