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

def _headers_for(deps):
    for dep in deps:
        if dep.startswith("@com_google_googletest//"):
            return "libraries_and_gtest"
    return "libraries"

def _with_precompiled(kwargs):
    if native.repository_name() != "@" or not [
        source
        for source in kwargs.get("srcs", [])
        if source.endswith(".cc")
    ]:
        return kwargs
    headers = _headers_for(kwargs.get("deps", []))
    off = _PRECOMPILED + "off"
    kwargs["deps"] = kwargs.get("deps", []) + select({
        off: [],
        "//conditions:default": [_PRECOMPILED + headers],
    })
    kwargs["copts"] = kwargs.get("copts", []) + select({
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
