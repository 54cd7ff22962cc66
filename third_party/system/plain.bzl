"""Repositories of Bazel's own that other workspaces need."""

_RULES = ["cc_binary", "cc_import", "cc_library", "cc_proto_library", "cc_test", "cc_toolchain", "cc_toolchain_suite", "fdo_profile", "objc_library"]

def _rules_cc(repository):
    repository.file("BUILD.bazel", "")
    repository.file("cc/BUILD.bazel", "")
    repository.file("cc/defs.bzl", "".join([
        "{rule} = native.{rule}\n".format(rule = rule)
        for rule in _RULES
    ]))

# The native C++ rules under the names that other rule sets load. Debian's own
# rules_cc does not load in its Bazel.
plain_rules_cc = repository_rule(implementation = _rules_cc)

def _coverage_tools(repository):
    repository.file("BUILD.bazel", """
filegroup(
    name = "coverage_report_generator",
    visibility = ["//visibility:public"],
)
""")

# Stops the one download that `bazel test` would try.
coverage_tools = repository_rule(implementation = _coverage_tools)
