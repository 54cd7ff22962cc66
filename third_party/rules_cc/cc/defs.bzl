"""The native C++ rules under the names that other rule sets load.

Targets of this repository with sources get the precompiled headers of
third_party/precompiled.
"""

_PRECOMPILED = "//third_party/precompiled:"

# GCC forgets which warnings the headers of its library turn off around code
# that it takes for an error.
_NO_WARNINGS = [
    "-Wno-array-bounds",
    "-Wno-stringop-overflow",
    "-Wno-stringop-overread",
]

# The code of tests runs for moments: that which it tests is in libraries. Tests
# with RapidCheck run their own code thousands of times.
RAPIDCHECK_COPTS = ["-O1"]
TEST_COPTS = select({
    _PRECOMPILED + "sanitizer": ["-O1"],
    "//conditions:default": ["-O0"],
})

def _headers_for(sources, deps):
    if [name for name in sources if not name.endswith("_test.cc")]:
        return "libraries", []
    if [dep for dep in deps if dep.startswith("@rapidcheck")]:
        return "libraries_and_rapidcheck", RAPIDCHECK_COPTS
    return "libraries_and_gtest", TEST_COPTS

def _with_precompiled(kwargs):
    # Bazel loads its own tools by these rules, too, and with a select.
    if native.repository_name() != "@":
        return kwargs
    sources = [name for name in kwargs.get("srcs", []) if name.endswith(".cc")]
    if not sources:
        return kwargs
    headers, copts = _headers_for(sources, kwargs.get("deps", []))
    off = _PRECOMPILED + "off"
    kwargs["deps"] = kwargs.get("deps", []) + select({
        off: [],
        "//conditions:default": [_PRECOMPILED + headers],
    })
    kwargs["copts"] = copts + kwargs.get("copts", []) + select({
        off: [],
        "//conditions:default": [
            "-include",
            "third_party/precompiled/{}.h".format(headers),
        ] + _NO_WARNINGS,
    })
    return kwargs

def cc_library(**kwargs):
    native.cc_library(**_with_precompiled(kwargs))

def cc_binary(**kwargs):
    native.cc_binary(**_with_precompiled(kwargs))

def cc_test(**kwargs):
    native.cc_test(**_with_precompiled(kwargs))

cc_import = native.cc_import
cc_proto_library = native.cc_proto_library
cc_toolchain = native.cc_toolchain
cc_toolchain_suite = native.cc_toolchain_suite
objc_library = native.objc_library
fdo_profile = native.fdo_profile
