"""Headers of libraries that are parsed once for all files of a build."""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

_ACTION = "c++-compile"

def _precompiled_headers(ctx):
    toolchain = find_cpp_toolchain(ctx)
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = toolchain,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features,
    )
    header = ctx.actions.declare_file(ctx.label.name + ".h")
    ctx.actions.write(header, "".join([
        "#include <{}>\n".format(name)
        for name in ctx.attr.headers
    ]))

    # GCC looks for a folder of this name beside the header, and takes a file
    # in it that fits the flags. If none does, it reads the header.
    compiled = ctx.actions.declare_file(ctx.label.name + ".h.gch/compiled")
    variables = cc_common.create_compile_variables(
        feature_configuration = features,
        cc_toolchain = toolchain,
        user_compile_flags = ctx.fragments.cpp.copts +
                             ctx.fragments.cpp.cxxopts + ctx.attr.copts,
        use_pic = True,
    )
    ctx.actions.run(
        executable = cc_common.get_tool_for_action(
            feature_configuration = features,
            action_name = _ACTION,
        ),
        arguments = cc_common.get_memory_inefficient_command_line(
            feature_configuration = features,
            action_name = _ACTION,
            variables = variables,
        ) + ["-x", "c++-header", header.path, "-o", compiled.path],
        env = cc_common.get_environment_variables(
            feature_configuration = features,
            action_name = _ACTION,
            variables = variables,
        ),
        inputs = depset([header], transitive = [toolchain.all_files]),
        outputs = [compiled],
        mnemonic = "CppPrecompile",
        progress_message = "Compiling the headers of %s" % ctx.label.name,
    )
    return [CcInfo(compilation_context = cc_common.create_compilation_context(
        headers = depset([header, compiled]),
    ))]

# A cc_library without code. A target that depends on it is compiled with
# `-include third_party/precompiled/NAME.h`; third_party/rules_cc adds both.
precompiled_headers = rule(
    implementation = _precompiled_headers,
    attrs = {
        "headers": attr.string_list(doc = "Their names in angle brackets."),
        "copts": attr.string_list(doc = "Those of the targets that use them."),
        "_cc_toolchain": attr.label(
            default = Label("@bazel_tools//tools/cpp:current_cc_toolchain"),
        ),
    },
    fragments = ["cpp"],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)
