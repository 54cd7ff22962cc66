"""C++ sources as text: without comments and literals, and cut into functions.

Neither is a parser. Both rely on sources being formatted by clang-format, and a test holds them against samples.
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r'//[^\n]*'                                       # line comment
    r'|/\*.*?\*/'                                     # block comment
    r'|(?:u8|[uUL])?R"(?P<delim>[^()\\\s]{0,16})\(.*?\)(?P=delim)"'  # raw string
    r'|"(?:\\.|[^"\\\n])*"'                           # string
    r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'",          # character; 1'000 is a number
    re.DOTALL)


def code_only(text):
    """`text` with comments blanked and literals emptied; line numbers stay. #include paths are kept."""
    def blank(match):
        token = match.group(0)
        newlines = '\n' * token.count('\n')
        if token.startswith('/'):
            return ' ' + newlines
        return ("''" if token.endswith("'") else '""') + newlines

    lines = []
    kept = {}
    for number, line in enumerate(text.split('\n')):
        if re.match(r'\s*#\s*include\b', line):
            kept[number] = line.split('//')[0].rstrip()
            line = ''
        lines.append(line)
    result = _TOKEN.sub(blank, '\n'.join(lines)).split('\n')
    for number, line in kept.items():
        result[number] = line
    return '\n'.join(result)


def line_of(text, offset):
    return text.count('\n', 0, offset) + 1


@dataclass
class Function:
    name: str
    first_line: int
    last_line: int

    @property
    def lines(self):
        return self.last_line - self.first_line + 1


_TYPE = re.compile(r'\b(class|struct|union|enum)\b[^()=]*$')
_SCOPE = re.compile(r'(\bnamespace\b[^()]*|extern\s*"")\s*$')
_BODY = re.compile(r'\)\s*(?:(?:const|noexcept|override|final|mutable|requires\b[^{]*|&|&&|try)\s*|->\s*[^{;]+)*$')
_INITIALISER = re.compile(r'\)[^;{]*?:[^:][^;]*$', re.DOTALL)
_NAME = re.compile(r'([~\w:]+|operator\s*\S+)\s*\(')


def _kind_of_block(segment, outer):
    """What a '{' after `segment` opens, inside blocks of the kinds `outer`."""
    if any(kind not in ('scope', 'type') for kind in outer):
        return 'inner'
    if _SCOPE.search(segment):
        return 'scope'
    if _TYPE.search(segment):
        return 'type'
    if _BODY.search(segment):
        return 'function'
    if '(' in segment and _INITIALISER.search(segment):
        # A constructor's list of initialisers: after `)` or `}` the body begins, after a name one more initialiser.
        return 'function' if segment.rstrip()[-1:] in '})' else 'initialiser'
    return 'inner'


def functions(code):
    """The functions defined at namespace or class scope in `code` (as made by code_only), lambdas within counted as theirs."""
    code = '\n'.join('' if line.lstrip().startswith('#') else line for line in code.split('\n'))
    found, stack = [], []
    segment_start = 0
    for match in re.finditer(r'[{};]', code):
        character, at = match.group(0), match.start()
        kinds = [kind for kind, _, _ in stack]
        at_top = all(kind in ('scope', 'type') for kind in kinds)
        if character == '{':
            segment = code[segment_start:at]
            kind = _kind_of_block(segment, kinds)
            stack.append((kind, segment_start, segment))
            if kind in ('scope', 'type'):
                segment_start = at + 1
        elif character == '}':
            if not stack:
                continue
            kind, start, segment = stack.pop()
            if kind == 'function':
                text = code[start:at]
                begin = start + len(text) - len(text.lstrip())
                name = _NAME.search(segment)
                found.append(Function(name.group(1) if name else segment.strip()[:40], line_of(code, begin), line_of(code, at)))
            if kind != 'initialiser' and all(k in ('scope', 'type') for k, _, _ in stack):
                segment_start = at + 1
        elif at_top:
            segment_start = at + 1
    return found
