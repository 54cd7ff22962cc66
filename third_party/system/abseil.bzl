"""Debian's Abseil as a repository with the packages and targets of Abseil's own."""

_HASH = ["hash", "city", "low_level_hash"]
_STRINGS = ["strings", "strings_internal", "int128", "throw_delegate", "raw_logging_internal"]

# The libraries that a target is linked with, by package and name. One target
# for each that is used, so that deps stay honest.
_PACKAGES = {
    "base": {"core_headers": []},
    "container": {
        "btree": ["throw_delegate"],
        "flat_hash_map": ["raw_hash_set"] + _HASH + ["throw_delegate"],
        "flat_hash_set": ["raw_hash_set"] + _HASH + ["throw_delegate"],
        "inlined_vector": ["throw_delegate"],
    },
    "functional": {
        "any_invocable": [],
        "function_ref": [],
    },
    "hash": {"hash": _HASH},
    "numeric": {"int128": ["int128"]},
    "status": {
        "status": ["status", "cord", "strings", "raw_logging_internal"],
        "statusor": ["statusor", "status", "cord", "strings", "raw_logging_internal"],
    },
    "strings": {
        "str_format": ["str_format_internal"] + _STRINGS,
        "strings": _STRINGS,
    },
    "time": {"time": []},
    "types": {"span": ["throw_delegate"]},
}

_TARGET = """
cc_library(
    name = "{name}",
    linkopts = {linkopts},
)
"""

def _abseil(repository):
    for package, targets in _PACKAGES.items():
        repository.file("absl/{}/BUILD.bazel".format(package), "".join([
            "package(default_visibility = [\"//visibility:public\"])\n",
        ] + [
            _TARGET.format(
                name = name,
                linkopts = ["-labsl_" + library for library in libraries],
            )
            for name, libraries in targets.items()
        ]))

# The compiler finds the headers in /usr/include, so no target has any.
abseil = repository_rule(implementation = _abseil)
