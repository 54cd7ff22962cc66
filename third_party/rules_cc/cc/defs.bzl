"""The native C++ rules under the names that other rule sets load.

Targets of this repository with sources get the precompiled headers of
third_party/precompiled. A test of several sources is compiled as one, and the
sources of a library in groups (decision 0097).
"""

load(":together.bzl", "one_source")

_PRECOMPILED = "//third_party/precompiled:"

# GCC forgets which warnings the headers of its library turn off around code
# that it takes for an error.
_NO_WARNINGS = [
    "-Wno-array-bounds",
    "-Wno-dangling-pointer",
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

def _with_precompiled(kwargs, sources):
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

# So many sources of a library are compiled as one. All of them are compiled when
# one changes.
_TOGETHER = 4

# Their sources use the same names for their own constants.
_ALONE = ["lincheck", "sim"]

def _in_groups(kwargs, sources):
    folder = native.package_name().split("/")[0]
    if len(sources) < 2 or folder in _ALONE or kwargs.get("testonly"):
        return kwargs
    count = (len(sources) + _TOGETHER - 1) // _TOGETHER
    groups = []
    for number in range(count):
        group = "{}_sources_{}".format(kwargs["name"], number)
        one_source(
            name = group,
            srcs = sources[number * len(sources) // count:
                           (number + 1) * len(sources) // count],
        )
        groups.append(":" + group)
    kwargs["srcs"] = [
        name
        for name in kwargs["srcs"]
        if not name.endswith(".cc")
    ] + select({
        _PRECOMPILED + "off": sources,
        "//conditions:default": groups,
    })
    kwargs["deps"] = kwargs.get("deps", []) + groups

    # For //tests/structure:objects.bzl.
    kwargs["tags"] = kwargs.get("tags", []) + sources
    return kwargs

def cc_library(**kwargs):
    sources = _sources(kwargs)
    native.cc_library(**_in_groups(_with_precompiled(kwargs, sources), sources))

def cc_binary(**kwargs):
    native.cc_binary(**_with_precompiled(kwargs, _sources(kwargs)))

def cc_test(**kwargs):
    sources = _sources(kwargs)
    native.cc_test(**_together(_with_precompiled(kwargs, sources), sources))

cc_import = native.cc_import
cc_proto_library = native.cc_proto_library
cc_toolchain = native.cc_toolchain
cc_toolchain_suite = native.cc_toolchain_suite
objc_library = native.objc_library
fdo_profile = native.fdo_profile
