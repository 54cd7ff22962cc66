"""Installs headers, static libraries, a CMake package and a pkg-config file.

  ./bazelw run //:install -- --prefix DIR

The prefix gets:
  include/quorate/              the headers: #include "raft/host/host.h"
  lib/libquorate_PART.a         raft (with env and net), sim, lincheck
  lib/cmake/Quorate/            the CMake package, with Quorate::raft and others
  lib/pkgconfig/quorate.pc      pkg-config --cflags --libs quorate
  share/doc/quorate/LICENSE
Nothing in it depends on the place of the prefix.
"""

import argparse
import os
import re
import shutil
import string

# Each part with the parts that it needs.
PARTS = {'raft': (), 'lincheck': ('raft',), 'sim': ('raft', 'lincheck')}
# Libraries of other projects whose names differ in CMake and in pkg-config.
PACKAGES = {'-pthread': ('Threads::Threads', ''), '-lpthread': ('Threads::Threads', ''), '-lspdlog': ('spdlog::spdlog', 'spdlog'), '-lfmt': ('fmt::fmt', 'fmt'),
            '-lssl': ('OpenSSL::SSL', 'openssl'), '-lcrypto': ('OpenSSL::Crypto', 'openssl')}
VERSION_HEADER = 'env/program/version.h'

_INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def public_headers():
    """The entries of headers.txt as (part, path)."""
    return [tuple(line.split()) for line in read('public/headers.txt').splitlines() if line and not line.startswith('#')]


def with_included(headers):
    """`headers` and all headers of this repository that they include."""
    found, waiting = set(), list(headers)
    while waiting:
        header = waiting.pop()
        if header not in found:
            found.add(header)
            waiting += [name for name in _INCLUDE.findall(read(header)) if os.path.exists(name)]
    return sorted(found)


def package_of(option):
    """The names of the library of a linker's option in CMake and in pkg-config."""
    if option in PACKAGES:
        return PACKAGES[option]
    name = re.fullmatch(r'-labsl_(\w+)', option)
    if name is None:
        raise SystemExit(f'install: {option} has no package in install.py')
    return f'absl::{name[1]}', f'absl_{name[1]}'


def packages_of(part):
    """Two lists: the libraries that the part is linked with, for CMake and for pkg-config."""
    pairs = [package_of(option) for option in read(f'public/quorate_{part}.links').split()]
    return tuple(list(dict.fromkeys(name for name in names if name)) for names in zip(*pairs))


def version():
    return re.search(r'kQuorateVersion = "([\d.]+)"', read(VERSION_HEADER))[1]


def cmake_targets():
    lines = []
    for part, needed in PARTS.items():
        libraries = [f'Quorate::{name}' for name in needed] + packages_of(part)[0]
        lines.append(f'_quorate_part({part} "{";".join(libraries)}")')
    return '\n'.join(lines)


def write(prefix, path, text):
    path = os.path.join(prefix, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)


def copy(source, prefix, path):
    path = os.path.join(prefix, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    shutil.copyfile(source, path)


def substituted(path, **values):
    class Template(string.Template):
        delimiter = '@@'

    return Template(read(path)).substitute(values)


def install(prefix):
    """Returns the number of headers."""
    headers = with_included(path for _, path in public_headers())
    # Those of an earlier version that this one lacks would go unnoticed.
    shutil.rmtree(os.path.join(prefix, 'include/quorate'), ignore_errors=True)
    for header in headers:
        copy(header, prefix, f'include/quorate/{header}')
    for part in PARTS:
        copy(f'public/libquorate_{part}.a', prefix, f'lib/libquorate_{part}.a')
    copy('LICENSE', prefix, 'share/doc/quorate/LICENSE')
    requires = dict.fromkeys(name for part in PARTS for name in packages_of(part)[1])
    write(prefix, 'lib/pkgconfig/quorate.pc', substituted('public/quorate.pc.in', version=version(), requires=', '.join(requires)))
    folder = 'lib/cmake/Quorate'
    write(prefix, f'{folder}/QuorateConfig.cmake', substituted('public/QuorateConfig.cmake.in', targets=cmake_targets()))
    write(prefix, f'{folder}/QuorateConfigVersion.cmake', substituted('public/QuorateConfigVersion.cmake.in', version=version()))
    return len(headers)


def main():
    parser = argparse.ArgumentParser(prog='install', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--prefix', required=True, metavar='DIR', help='is created if it does not exist')
    # Bazel runs programs elsewhere than where the user stands.
    prefix = os.path.join(os.environ.get('BUILD_WORKING_DIRECTORY', os.getcwd()), parser.parse_args().prefix)
    os.makedirs(prefix, exist_ok=True)
    number = install(prefix)
    print(f'Quorate {version()}: {number} headers and {len(PARTS)} libraries in {os.path.normpath(prefix)}')


if __name__ == '__main__':
    main()
