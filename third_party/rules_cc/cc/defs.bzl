"""The native C++ rules under the names that other rule sets load.

Targets of this repository with sources get the precompiled headers of
third_party/precompiled. A test of several sources is compiled as one.
"""

load(":together.bzl", "one_source")

_PRECOMPILED = "//third_party/precompiled:"

# GCC forgets which warnings the headers of its library turn off around code
# that it takes for an error.
_NO_WARNINGS = [
    "-Wno-array-bounds",
    "-Wno-stringop-overflow",
    "-Wno-stringop-overread",
]

# Small tests run for moments. Others run the inline functions of the product for
# long, and the linker takes those of the test, its first object.
LONG_TEST_COPTS = ["-O1"]
SMALL_TEST_COPTS = select({
    _PRECOMPILED + "sanitizer": ["-O1"],
    "//conditions:default": ["-O0"],
})

def _headers_for(sources, kwargs):
    if [name for name in sources if not name.endswith("_test.cc")]:
        return "libraries", []
    if kwargs.get("size") != "small" or [
        dep
        for dep in kwargs.get("deps", [])
        if dep.startswith("@rapidcheck")
    ]:
        return "libraries_and_rapidcheck", LONG_TEST_COPTS
    return "libraries_and_gtest", SMALL_TEST_COPTS

def _sources(kwargs):
    # Bazel loads its own tools by these rules, too, and with a select.
    if native.repository_name() != "@":
        return []
    return [name for name in kwargs.get("srcs", []) if name.endswith(".cc")]

# Sources of tests share nearly all headers, and so the time of a compiler.
def _together(kwargs, sources):
    if len(sources) < 2:
        return kwargs
    together = kwargs["name"] + "_together"
    one_source(name = together, srcs = sources, testonly = True)
    kwargs["srcs"] = select({
        _PRECOMPILED + "off": kwargs["srcs"],
        "//conditions:default": [":" + together],
    })
    kwargs["deps"] = kwargs["deps"] + [":" + together]
    return kwargs

def _with_precompiled(kwargs):
    sources = _sources(kwargs)
    if not sources:
        return kwargs
    headers, copts = _headers_for(sources, kwargs)
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
    sources = _sources(kwargs)
    native.cc_test(**_together(_with_precompiled(kwargs), sources))

cc_import = native.cc_import
cc_proto_library = native.cc_proto_library
cc_toolchain = native.cc_toolchain
cc_toolchain_suite = native.cc_toolchain_suite
objc_library = native.objc_library
fdo_profile = native.fdo_profile
