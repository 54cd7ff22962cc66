"""The repositories that Quorate is built from, for its own WORKSPACE and for others."""

load("//third_party/system:abseil.bzl", "abseil")
load("//third_party/system:plain.bzl", "coverage_tools", "plain_rules_cc")

# name -> the folder of Debian's packages with the headers. The targets are in
# third_party/system/NAME.BUILD.
_LIBRARIES = {
    "boost": "/usr/include/boost",
    "boost_beast": "/usr/include/boost/beast",
    "cli11": "/usr/include/CLI",
    "com_google_googletest": "/usr/include/gtest",
    "com_google_protobuf": "/usr/include/google/protobuf",
    "nlohmann_json": "/usr/include/nlohmann",
    "openssl": "/usr/include/openssl",
    "rapidcheck": "/usr/include/rapidcheck",
    "spdlog": "/usr/include/spdlog",
    "tomlplusplus": "/usr/include/toml++",
    "xxhash": "/usr/include",
}

# The rules of Debian's packages.
_RULES = {
    "bazel_skylib": "/usr/share/bazel/tools/skylib",
    "rules_java": "/usr/share/bazel/rules/java",
    "rules_proto": "/usr/share/bazel/rules/proto",
}

def quorate_dependencies():
    """Declares each of them that the workspace has not declared before.

    A workspace with an Abseil of its own declares com_google_absl first.
    Labels of Abseil, GoogleTest and Protobuf are those of their own builds.
    """
    declared = native.existing_rules()
    for name, rule in {
        "com_google_absl": abseil,
        "remote_coverage_tools": coverage_tools,
        "rules_cc": plain_rules_cc,
    }.items():
        if name not in declared:
            rule(name = name)
    for name, path in _RULES.items():
        if name not in declared:
            native.local_repository(name = name, path = path)
    for name, path in _LIBRARIES.items():
        if name not in declared:
            native.new_local_repository(
                name = name,
                build_file = "@quorate//third_party/system:%s.BUILD" % name,
                path = path,
            )
