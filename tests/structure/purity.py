"""The undefined symbols and the static state of the object files of pure libraries, read with nm and compared with an allowlist.

A ban list would miss what nobody thought of (absl::Now does not say "clock" where it is called); an allowlist does not.
"""

import fnmatch
import re
import subprocess
from dataclasses import dataclass

# label -> {pattern of symbols: reason}: state that outlives a call; * matches anything. Everything else in .data or .bss is refused.
STATIC_STATE = {
    '//env:env': {
        'quorate::(anonymous namespace)::g_handler': 'the CHECK handler, the one exception of the design',
    },
    '//node/protocol:protocol': {
        'boost::beast::http::detail::basic_parser_base::parse_field(*)::is_token': 'a table of constants',
        '*boost::beast::http::detail::get_field_table()::tab': 'the names of headers: constants, made at their first use',
        '*boost::system::detail::to_std_category(boost::system::error_category const&)::*': 'error codes of other libraries, never used',
        'guard variable for boost::none': 'an empty constant',
    },
}

_MUTABLE = re.compile(r'^\.(?:bss|tbss|tdata|data(?!\.rel\.ro))')
# The compiler's own constants, which the linker fills in, and the object that absl/status/status.h adds by including <iostream>. Using
# one of those streams would show as a symbol of its own.
_HARMLESS_STATE = re.compile(r'DW\.ref\..*|std::__ioinit')
# Debian's name of an inline namespace, and an ABI tag: neither matters here.
_NOISE = re.compile(r'\bdebian\d+::|\[abi:cxx11\]')
_SANITIZER = re.compile(r'^__(?:asan|tsan|ubsan|msan|gcov)_')


@dataclass(frozen=True)
class Symbol:
    name: str
    defined: bool
    section: str


def read_symbols(paths):
    """{path: [Symbol]} of object files, names demangled."""
    if not paths:
        return {}
    run = subprocess.run(['nm', '--demangle', '--format=sysv', '--print-file-name', *paths], capture_output=True, text=True, check=True)
    symbols = {path: [] for path in paths}
    for line in run.stdout.splitlines():
        fields = line.rsplit('|', 6)
        if len(fields) != 7:
            continue
        path, _, name = fields[0].partition(':')
        if path in symbols:
            symbols[path].append(Symbol(_NOISE.sub('', name.strip()), fields[2].strip() not in ('U', 'w', 'v'), fields[6].strip()))
    return symbols


class Allowlist:
    """Lines `pattern  # reason`; `[label]` begins a section for one library, `[*]` the one for all. * matches anything."""

    def __init__(self, text):
        self.patterns = {'*': []}
        section = '*'
        for number, line in enumerate(text.split('\n'), 1):
            line = line.split('  #')[0].strip()
            if not line or line.startswith('#'):
                continue
            if line.startswith('[') and line.endswith(']'):
                section = line[1:-1]
                self.patterns.setdefault(section, [])
            else:
                # Brackets are part of names such as operator[].
                pattern = re.compile(fnmatch.translate(line.replace('[', '[[]')))
                self.patterns[section].append((number, pattern))
        self.used = set()

    def allows(self, label, name):
        for section in ('*', label):
            for number, pattern in self.patterns.get(section, ()):
                if pattern.fullmatch(name):
                    self.used.add(number)
                    return True
        return False


def check(objects, symbols, allowlist, static_state=None):
    """objects: [(label, path)]. Yields one line of text for each violation."""
    static_state = STATIC_STATE if static_state is None else static_state
    own = {s.name for path in symbols for s in symbols[path] if s.defined}
    for label, path in objects:
        sanitized = any(_SANITIZER.match(s.name) for s in symbols[path])
        for symbol in symbols[path]:
            if not symbol.defined:
                if symbol.name in own or _SANITIZER.match(symbol.name) or allowlist.allows(label, symbol.name):
                    continue
                yield f'{label} needs `{symbol.name}`, which no pure library defines and allowed_symbols.txt does not list'
            elif sanitized or _HARMLESS_STATE.fullmatch(symbol.name) or \
                    any(fnmatch.fnmatchcase(symbol.name, pattern) for pattern in static_state.get(label, {})):
                continue
            elif _MUTABLE.match(symbol.section):
                yield f'{label} keeps `{symbol.name}` in {symbol.section}: pure code has no static state'
