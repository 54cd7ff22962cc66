"""The native C++ rules under the names that other rule sets load.

Targets of this repository with sources get the precompiled headers of
third_party/precompiled. A test of several sources is compiled as one, and so
are the sources of libraries that units.bzl names.
"""

load(":together.bzl", "one_source", "only_code")
load(":units.bzl", "UNITS")

_PRECOMPILED = "//third_party/precompiled:"

_ATTRIBUTES_IN_UNITS = ["name", "srcs", "hdrs", "deps", "visibility"]

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

# The target with the code of all libraries of a package of units.bzl. A library
# depends on it by another one, which brings no headers.
_CODE = "code_of_libraries"
_ONLY_CODE = "only_code_of_libraries"

# Marks targets that have the headers of a library. Other tags are its sources.
_HEADERS = "headers"

def _headers_of(label):
    """The target with the headers of a library, if it is of this package."""
    package, _, name = label.rpartition(":")
    if label.startswith("@"):
        return label
    if label.startswith("//") and not package:
        package, name = label, label.rpartition("/")[2]
    if package not in ["", "//" + native.package_name()]:
        return label
    return ":{}_headers".format(name)

def _declared():
    """{name: sources} of the targets of this package with headers."""
    return {
        name: [tag for tag in rule["tags"] if tag != _HEADERS]
        for name, rule in native.existing_rules().items()
        if _HEADERS in rule["tags"]
    }

def _declare_code(units, declared):
    """Declares the code of the libraries of a package."""
    compiled = []
    for number, unit in enumerate(units):
        compiled.append(":{}_{}".format(_CODE, number))
        one_source(
            name = compiled[-1][1:],
            srcs = [name + ".cc" for name in unit.split(" ")],
        )
    sources = [name for names in declared.values() for name in names]
    off = _PRECOMPILED + "off"
    native.cc_library(**_with_precompiled({
        "name": _CODE,
        "srcs": [name for name in sources if name.endswith(".h")] + select({
            off: [name for name in sources if name.endswith(".cc")],
            "//conditions:default": compiled,
        }),
        "visibility": ["//visibility:private"],
        "deps": [":" + name for name in declared] + compiled,
    }, sources))
    only_code(
        name = _ONLY_CODE,
        library = ":" + _CODE,
        visibility = ["//visibility:private"],
    )

def _library_in_units(units, kwargs):
    """A library as its headers and the code of all libraries of its package.

    The code needs the headers of all of them, and no more of this package. So
    there is no cycle. The last library with sources declares the code.
    """
    if [name for name in kwargs if name not in _ATTRIBUTES_IN_UNITS]:
        fail("units.bzl names the package of a library with other attributes " +
             "than " + ", ".join(_ATTRIBUTES_IN_UNITS))
    headers = _headers_of(":" + kwargs["name"])
    deps = kwargs.get("deps", [])
    native.cc_library(
        name = headers[1:],
        hdrs = kwargs.get("hdrs", []),
        tags = [_HEADERS] + kwargs.get("srcs", []),
        visibility = ["//visibility:private"],
        deps = [_headers_of(dep) for dep in deps],
    )
    sources = _sources(kwargs)
    native.cc_library(
        name = kwargs["name"],
        visibility = kwargs.get("visibility"),
        deps = ([":" + _ONLY_CODE] if sources else []) + [headers] + deps,
    )
    listed = [name + ".cc" for name in " ".join(units).split(" ")]
    for name in sources:
        if name not in listed:
            fail("units.bzl does not name " + name)
    declared = _declared()
    seen = [name for names in declared.values() for name in names]
    if sources and not [name for name in listed if name not in seen]:
        _declare_code(units, declared)

def cc_library(**kwargs):
    units = UNITS.get(native.package_name())
    if units and native.repository_name() == "@" and not kwargs.get("testonly"):
        _library_in_units(units, kwargs)
    else:
        native.cc_library(**_with_precompiled(kwargs, _sources(kwargs)))

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
