"""A library of this repository with all that it needs from this repository, in one archive.

The runfiles also have `<name>.links`, the options that a linker needs beside
the archive, and the headers of the repository that its users can reach.
"""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

def _own(linker_inputs):
    return [one for one in linker_inputs.to_list() if one.owner.workspace_name == ""]

def _objects(library):
    return [
        object
        for one in _own(library[CcInfo].linking_context.linker_inputs)
        for part in one.libraries
        for object in part.pic_objects or part.objects or []
    ]

def _static_library(ctx):
    others = {object: True for other in ctx.attr.without for object in _objects(other)}
    objects = [object for object in _objects(ctx.attr.library) if object not in others]
    archive = ctx.actions.declare_file("lib%s.a" % ctx.label.name)
    toolchain = find_cpp_toolchain(ctx)
    members = ctx.actions.args()
    members.use_param_file("@%s", use_always = True)
    members.add_all(objects)
    ctx.actions.run_shell(
        # `q` keeps members of one name from several folders.
        command = '"$1" qcsD "$2" "$3"',
        arguments = [toolchain.ar_executable, archive.path, members],
        inputs = depset(objects, transitive = [toolchain.all_files]),
        outputs = [archive],
        mnemonic = "StaticLibrary",
    )
    context = ctx.attr.library[CcInfo]
    options = {
        option: True
        for one in context.linking_context.linker_inputs.to_list()
        for option in one.user_link_flags
    }
    links = ctx.actions.declare_file(ctx.label.name + ".links")
    ctx.actions.write(links, "".join([option + "\n" for option in options]))
    headers = [
        header
        for header in context.compilation_context.headers.to_list()
        if header.is_source and header.extension == "h"
    ]
    return [DefaultInfo(
        files = depset([archive]),
        runfiles = ctx.runfiles(files = [archive, links] + headers),
    )]

static_library = rule(
    implementation = _static_library,
    attrs = {
        "library": attr.label(providers = [CcInfo]),
        "without": attr.label_list(
            providers = [CcInfo],
            doc = "Libraries whose object files are in other archives.",
        ),
        "_cc_toolchain": attr.label(
            default = Label("@bazel_tools//tools/cpp:current_cc_toolchain"),
        ),
    },
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)
